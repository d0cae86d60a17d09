# The model server of docker-compose.yml: llama.cpp as npm has it, for one GGUF file.
FROM debian:12
COPY scripts /opt/troupe/scripts
RUN apt-get update -q && apt-get install -q -y --no-install-recommends ca-certificates nodejs npm \
 && rm -rf /var/lib/apt/lists/* \
 && /opt/troupe/scripts/local-model - --cache /opt/engine
EXPOSE 8080
ENTRYPOINT ["/opt/troupe/scripts/local-model"]
CMD ["/models/model.gguf", "--host", "0.0.0.0", "--context", "16384", "--cache", "/opt/engine"]
