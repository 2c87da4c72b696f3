"""The plain side of `serve.py`: the same SavedModel in FastAPI, one request at a time.

    python benchmarks/plain_server.py SAVED_MODEL PORT

It is what one writes first, with the model called in a thread, so that the loop stays free.
"""

import sys
from typing import Any

import tensorflow as tf
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool


def main() -> None:
    """Serves until it is killed."""
    saved_model, port = sys.argv[1:]
    loaded = tf.saved_model.load(saved_model)
    classify = loaded.signatures["serving_default"]
    app = FastAPI()

    def answer(content: bytes) -> dict[str, Any]:
        try:
            outputs = classify(image_bytes=tf.constant([content]))
        except tf.errors.InvalidArgumentError as error:
            raise HTTPException(400, "no image") from error
        return {
            "class_name": outputs["class_name"].numpy()[0].decode(),
            "confidence": float(outputs["confidence"].numpy()[0]),
            "probabilities": outputs["probabilities"].numpy()[0].tolist(),
        }

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        return await run_in_threadpool(answer, await request.body())

    uvicorn.run(app, port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
