"""A port that stays one's own while the server on it is killed and started again."""

import socket


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds the port and does not listen: nobody else is given the port, callers are
    refused, and whoever asks for just this port, as this process does, can listen on it."""
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reserved.bind((host, port))
    except OSError:
        reserved.close()
        raise
    return reserved
