# Whom it doesn't know it tells nothing, neither which names there are nor what is said.
guess -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
guess <- accept
guess -> json {"name": "ana", "password": "sesame"}
guess <- close 4401 "sign in"
nobody -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
nobody <- accept
nobody -> json {"name": "eva", "password": "open sesame"}
nobody <- close 4401 "sign in"
late -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
late <- accept
late -> json {"token": "ana:1700000000:8a7f7a4f185429d8058d7ab195eae405f3ce1cab9c827284b26e2c5ce0096fdc"}
late <- close 4401 "sign in"
forged -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
forged <- accept
forged -> json {"token": "li:4102444800:f96acb21c41c76ec1783fb150886e40345aa50060f1788198a2c0746757740ca"}
forged <- close 4401 "sign in"
empty -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
empty <- accept
empty -> json {}
empty <- close 4401 "sign in"
early -> connect /rooms/hall
    host: chat.example
    origin: https://chat.example
early <- accept
early -> json {"key": "1", "text": "hi"}
early <- close 4401 "sign in"
foreign -> connect /rooms/hall
    host: chat.example
    origin: https://evil.example
    cookie: name=ana
foreign <- deny 403
