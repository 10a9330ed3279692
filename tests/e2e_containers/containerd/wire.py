"""Protobuf's wire format, as far as the tests need it: messages are {field number: value}, numbered as their .proto files
number them."""


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def encode(message):
    out = b""
    for field, value in message.items():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, int):
                out += _varint(field << 3) + _varint(item)
            else:
                data = encode(item) if isinstance(item, dict) else item.encode()
                out += _varint(field << 3 | 2) + _varint(len(data)) + data
    return out


def decode(data):
    """{field: last value}; what may be text or a message stays bytes."""
    message, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            message[key >> 3] = varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            message[key >> 3] = data[at:at + size]
            at += size
    return message
