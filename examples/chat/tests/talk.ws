# Two talk; one is lost, comes back with its token, and has what was said meanwhile.
ana -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
ana <- accept
ana -> json {"name": "ana", "password": "open sesame"}
ana <- json {"type": "welcome", "name": "ana", "token": ...}
li -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
li <- accept
li -> json {"token": "li:4102444800:003cb8f0c3c03cdb61639fd0d3d885fb1a200d412349d78e02184a912243d904"}
li <- json {"type": "welcome", "name": "li", "token": "li:4102444800:003cb8f0c3c03cdb61639fd0d3d885fb1a200d412349d78e02184a912243d904"}
ana -> json {"key": "a1", "text": "<b>hi</b>"}
ana <- json {"id": ..., "key": "a1", "name": "ana", "text": "<b>hi</b>", "at": ...}
li <- json {"id": ..., "key": "a1", "name": "ana", "text": "<b>hi</b>", "at": ...}
li -> drop
ana -> json {"key": "a2", "text": "are you there?"}
ana <- json {"id": ..., "key": "a2", "name": "ana", "text": "are you there?", "at": ...}
li -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
li <- accept
li -> json {"token": "li:4102444800:003cb8f0c3c03cdb61639fd0d3d885fb1a200d412349d78e02184a912243d904", "after": "0-0"}
li <- json {"id": ..., "key": "a1", "name": "ana", "text": "<b>hi</b>", "at": ...}
li <- json {"id": ..., "key": "a2", "name": "ana", "text": "are you there?", "at": ...}
li <- json {"type": "welcome", "name": "li", "token": "li:4102444800:003cb8f0c3c03cdb61639fd0d3d885fb1a200d412349d78e02184a912243d904"}
# Who only reads asks now and then whether the server is still there; nobody else hears of it.
li -> json {"key": "0"}
li <- json {"type": "here", "key": "0"}
li -> close
ana -> close
