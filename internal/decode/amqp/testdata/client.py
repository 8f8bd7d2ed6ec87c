"""Makes the traffic of the captures in this directory."""

import gzip
import socket
import sys
import time

import pika


def connect(**more):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", **more))


def methods():
    connection = connect(client_properties={"connection_name": "methods", "depth": {"a": [1, True, "x"]}})
    channel = connection.channel()
    channel.exchange_declare("shop", "topic", durable=True)
    channel.exchange_declare("copy", "fanout", auto_delete=True)
    channel.exchange_bind("copy", "shop", "order.*")
    channel.queue_declare("orders", durable=True, arguments={"x-max-length": 100, "x-queue-mode": "lazy"})
    channel.queue_bind("orders", "shop", "order.#")
    name = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(name, "copy")
    channel.basic_qos(prefetch_count=10)
    channel.queue_unbind(name, "copy")
    channel.queue_purge("orders")
    channel.tx_select()
    channel.basic_publish("shop", "order.tx", b"in a transaction")
    channel.tx_commit()
    channel.basic_publish("shop", "order.tx", b"given up")
    channel.tx_rollback()
    print(channel.basic_get("orders", auto_ack=True)[2])
    channel.basic_get("orders")
    channel.queue_delete("orders")
    channel.exchange_unbind("copy", "shop", "order.*")
    channel.exchange_delete("shop")
    connection.sleep(1.5)
    channel.close()
    connection.close()


def messages():
    connection = connect(frame_max=4096)
    channel = connection.channel()
    channel.queue_declare("work")
    channel.confirm_delivery()
    properties = pika.BasicProperties(
        content_type="text/plain", delivery_mode=2, priority=3, correlation_id="c1", reply_to="answers",
        expiration="60000", message_id="m1", timestamp=1700000000, type="order", user_id="guest", app_id="shop",
        headers={"trace": "abc", "retries": 2, "big": 1 << 40, "list": [1, "two"], "none": None, "inner": {"x": False}})
    channel.basic_publish("", "work", b"first", properties)
    channel.basic_publish("", "work", b"")
    channel.basic_publish("", "work", b"0123456789" * 2000)
    packed = gzip.compress(b"packed " * 100, mtime=0)
    channel.basic_publish("", "work", packed, pika.BasicProperties(content_encoding="gzip"))
    try:
        channel.basic_publish("", "nowhere", b"lost", mandatory=True)
        sys.exit("a message to nowhere was taken")
    except pika.exceptions.UnroutableError:
        pass

    # Several channels at a time, one without confirms.
    others = [connection.channel() for _ in range(3)]
    for i in range(4):
        for n, other in enumerate(others):
            other.basic_publish("", "work", f"message {i} of channel {n}".encode())
    get = channel.basic_get("work")
    channel.basic_ack(get[0].delivery_tag)
    reader = connection.channel()
    reader.basic_qos(prefetch_count=5)
    seen = []

    def got(ch, method, props, body):
        seen.append(method.delivery_tag)
        if len(seen) == 2:
            ch.basic_reject(method.delivery_tag, requeue=False)
        elif len(seen) == 3:
            ch.basic_nack(method.delivery_tag, requeue=True)
        elif len(seen) in (5, 8, 12):
            ch.basic_ack(method.delivery_tag, multiple=True)
        elif len(seen) < 5:
            ch.basic_ack(method.delivery_tag)

    tag = reader.basic_consume("work", got)
    while len(seen) < 12:
        connection.process_data_events(1)
    reader.basic_cancel(tag)
    fast = connection.channel()
    got_fast = []
    fast.basic_consume("work", lambda *message: got_fast.append(message), auto_ack=True)
    while len(got_fast) < 3:
        connection.process_data_events(1)
    connection.close()


def errors():
    connection = connect()
    channel = connection.channel()
    try:
        channel.queue_declare("missing", passive=True)
        sys.exit("a queue that is not there")
    except pika.exceptions.ChannelClosedByBroker as e:
        print(e)
    channel = connection.channel()
    channel.queue_declare("plain")
    try:
        channel.queue_declare("plain", durable=True)
        sys.exit("a queue of two kinds")
    except pika.exceptions.ChannelClosedByBroker as e:
        print(e)
    channel = connection.channel()
    channel.basic_publish("missing", "a", b"to an exchange that is not there")
    try:
        connection.process_data_events(1)
        channel.queue_declare("after")
        sys.exit("an exchange that is not there")
    except pika.exceptions.ChannelClosedByBroker as e:
        print(e)
    connection.close()
    for more in ({"credentials": pika.PlainCredentials("guest", "wrong")}, {"virtual_host": "nowhere"}):
        try:
            connect(**more)
            sys.exit("a wrong login")
        except (pika.exceptions.AMQPConnectionError, pika.exceptions.ConnectionClosedByBroker) as e:
            print(repr(e))
    # A client of AMQP 1.0, and one of a version that never was.
    for header in (b"AMQP\x00\x01\x00\x00", b"AMQP\x00\x00\x09\x01"):
        s = socket.create_connection(("127.0.0.1", 5672))
        s.sendall(header)
        print(s.recv(8))
        s.close()


{"methods": methods, "messages": messages, "errors": errors}[sys.argv[1]]()
