"""Django Channels: a group of its channel layer. In memory, and both layers of channels_redis."""
# ruff: noqa: ARG002, D103

from typing import Any

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path


class _Consumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add("news", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("news", self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_send("news", {"type": "said", "text": text_data})

    async def said(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


def _app(backend: str, **config: Any) -> ProtocolTypeRouter:
    settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": backend, **config}})
    django.setup()
    return ProtocolTypeRouter({"websocket": URLRouter([path("ws", _Consumer.as_asgi())])})


def rooms(url: str | None = None) -> ProtocolTypeRouter:
    if url is None:
        return _app("channels.layers.InMemoryChannelLayer")
    return _app("channels_redis.core.RedisChannelLayer", CONFIG={"hosts": [url]})


def pubsub(url: str) -> ProtocolTypeRouter:
    return _app("channels_redis.pubsub.RedisPubSubChannelLayer", CONFIG={"hosts": [url]})
