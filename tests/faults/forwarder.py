"""Lets a Redis that listens on a socket file be reached by TCP: python -m tests.faults.forwarder ADDRESS PORT SOCKET

When it is killed, its connections are forgotten at once, with one last packet: as if the power of its machine failed.
"""

import asyncio
import socket
import struct
import sys

FORGET = socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while received := await reader.read(2**16):
        writer.write(received)
        await writer.drain()
    writer.close()


async def forward(address: str, port: str, path: str) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(*FORGET)
        redis_reader, redis_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, redis_writer), copy(redis_reader, writer))

    server = await asyncio.start_server(accept, address, int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(forward(*sys.argv[1:]))
