"""The client over grpc.aio. The package's build makes _sync of it, word by word: client/python/tools/generate.py."""
