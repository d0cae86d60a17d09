# Troupe's server on Debian 12. Code of agents runs in bubblewrap, which needs to make namespaces:
# start the container with --security-opt seccomp=unconfined --cap-add SYS_ADMIN (see
# docker-compose.yml).
FROM debian:12
COPY . /opt/troupe
WORKDIR /opt/troupe
RUN scripts/install-packages build analysis \
 && scripts/build --target trouped troupe \
 && ln -s /opt/troupe/build/release/bin/troupe /usr/local/bin/troupe \
 && ln -s /opt/troupe/build/release/bin/trouped /usr/local/bin/trouped \
 && rm -rf /var/lib/apt/lists/*
COPY docker/troupe.toml /etc/troupe/troupe.toml
VOLUME /data
EXPOSE 7433
CMD ["trouped", "--config", "/etc/troupe/troupe.toml"]
