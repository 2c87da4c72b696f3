"""A machine without a network, and without anything that was downloaded before."""

import socket
import urllib.error
import urllib.request


def take_network(monkeypatch, folder):
    """Makes every download fail, and takes `folder` for Keras's downloads."""
    monkeypatch.setenv("KERAS_HOME", str(folder))
    # Keras reads the variable when it is imported.
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(folder))

    def fail(*_, **__):
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
