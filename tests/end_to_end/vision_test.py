#!/usr/bin/env python3
"""The evaluator sees the figures of a trial, in both dialects, where its model takes images and the task
asks for it; elsewhere no image is sent."""
import base64
import json
import unittest

from harness import ModelServer, Server, main, schema_of

REPLIES = {
    "plan": {"question": None, "steps": [{"title": "Draw", "kind": "work", "description": "Draw it"}]},
    "solution": {"analysis": "", "code": "import matplotlib.pyplot as plt\n"
                 "for n in range(6):\n    plt.figure(figsize=(1, 1)); plt.plot([0, n]); plt.show()\ntotal = 1"},
    "verdict": {"critique": "the line rises", "score": 9, "ok": True, "next": ""},
    "report": {"report": "Done."}}
MOST_FIGURES = 4  # that an evaluator is shown


def pictures_of(request):
    """The pictures in a request's messages, as bytes."""
    found = []
    for message in request["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                head, data = part["image_url"]["url"].split(",", 1)
                assert head == "data:image/png;base64", head
                found.append(base64.b64decode(data, validate=True))
            elif part["type"] == "image":
                assert part["source"]["media_type"] == "image/png", part["source"]
                found.append(base64.b64decode(part["source"]["data"], validate=True))
    return found


class VisionTest(unittest.TestCase):
    def pictures(self, kind, images, *args):
        """By what is asked for, the pictures that the model was sent."""
        model = ModelServer(lambda request: json.dumps(REPLIES[schema_of(request)]))
        self.addCleanup(model.close)
        server = Server({"m": {"kind": kind, "url": model.url, "images": images}})
        self.addCleanup(server.close)
        server.submit("Draw", "--toolbox", "plain", *args)
        task = server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(task["usage"]["input_tokens"], "40")
        self.server = server
        return {schema_of(request): pictures_of(request) for request in map(json.loads, model.requests)}

    def test_evaluator_sees_the_figures(self):
        for kind in ("openai", "anthropic"):
            with self.subTest(kind):
                sent = self.pictures(kind, True, "--vision")
                self.assertEqual(len(sent["verdict"]), MOST_FIGURES)
                for picture in sent["verdict"]:
                    self.assertTrue(picture.startswith(b"\x89PNG\r\n"), picture[:8])
                self.assertEqual([name for name, pictures in sent.items() if pictures], ["verdict"])
                # They are the figures that the task leaves.
                left = [path.read_bytes() for path in self.server.folder.glob("data/tasks/t/artifacts/*.png")]
                self.assertTrue(all(picture in left for picture in sent["verdict"]), [p[:8] for p in left])

    def test_no_image_to_a_model_that_takes_none(self):
        self.assertFalse(any(self.pictures("openai", False, "--vision").values()))

    def test_no_image_unless_the_task_asks(self):
        self.assertFalse(any(self.pictures("openai", True).values()))


if __name__ == "__main__":
    main()
