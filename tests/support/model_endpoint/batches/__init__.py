"""The Batch API: files of requests in, files of answers out, some time later."""
