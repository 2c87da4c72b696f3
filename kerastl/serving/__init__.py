"""An HTTP server for exports, with the REST interface of TensorFlow Serving."""
