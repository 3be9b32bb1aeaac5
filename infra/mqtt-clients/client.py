"""One hub by a client library of another maker, as a test asks for it: what it sees goes to standard output, a line each."""
import asyncio
import json
import ssl
import sys

ask = json.loads(sys.argv[1])
hub, five = ask["hub"], ask["version"] == 5
COMMAND, RESULT, OTHER = f"h/{hub}/command", f"h/{hub}/result", "h/another/command"


def say(*words):
    print(*words, flush=True)


def tls():
    context = ssl.create_default_context(cafile=ask["ca"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["mqtt"])
    context.load_cert_chain(ask["cert"], ask["key"])
    return context


def code(value):
    return getattr(value, "value", value)


def paho():
    import paho.mqtt.client as mqtt

    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, hub, protocol=mqtt.MQTTv5 if five else mqtt.MQTTv311)
    made.username_pw_set(ask["epoch"])
    made.tls_set_context(tls())
    waiting = {}

    def connected(client, _data, _flags, reason, _properties):
        say("connected", code(reason))
        client.subscribe([(COMMAND, 1), (OTHER, 1)])

    def message(client, _data, heard):
        text = heard.payload.decode()
        say("heard", text, heard.qos)
        client.publish(RESULT, f"{text} by qos 0", 0)
        waiting[client.publish(RESULT, f"{text} by qos 1", 1).mid] = "acknowledged"
        if five:
            waiting[client.publish("h/another/result", "not mine", 1).mid] = "refused"

    made.on_connect = connected
    made.on_message = message
    made.on_subscribe = lambda _c, _d, _mid, codes, _p: say("granted", *map(code, codes))
    made.on_publish = lambda _c, _d, mid, reason, _p: mid in waiting and say(waiting[mid], code(reason))
    made.on_disconnect = lambda c, _d, _f, reason, _p: (say("ended", code(reason)), c.disconnect())
    made.connect(ask["host"], ask["port"], keepalive=ask["keepalive"])
    made.loop_forever(retry_first_connection=False)


async def aio():
    import aiomqtt

    try:
        async with aiomqtt.Client(
            ask["host"],
            ask["port"],
            identifier=hub,
            username=ask["epoch"],
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            tls_context=tls(),
            keepalive=ask["keepalive"],
        ) as client:
            say("connected", 0)
            codes = [*await client.subscribe(COMMAND, 1), *await client.subscribe(OTHER, 1)]
            say("granted", *map(code, codes))
            async for heard in client.messages:
                text = heard.payload.decode()
                say("heard", text, heard.qos)
                await client.publish(RESULT, f"{text} by qos 0", 0)
                await client.publish(RESULT, f"{text} by qos 1", 1)
                say("acknowledged", 0)
    except aiomqtt.MqttError as error:
        say("ended", code(getattr(error.__cause__ or error, "rc", "")))


async def gmqtt():
    import gmqtt

    ended = asyncio.get_running_loop().create_future()
    client = gmqtt.Client(hub)
    client.set_auth_credentials(ask["epoch"])
    client.set_config({"reconnect_retries": 0})

    def connected(mine, _flags, reason, _properties):
        say("connected", reason)
        mine.subscribe([gmqtt.Subscription(COMMAND, qos=1), gmqtt.Subscription(OTHER, qos=1)])

    async def message(mine, _topic, payload, qos, _properties):
        text = payload.decode()
        say("heard", text, qos)
        mine.publish(RESULT, f"{text} by qos 0", qos=0)
        mine.publish(RESULT, f"{text} by qos 1", qos=1)
        return 0

    def disconnected(_mine, packet, _error=None):
        if not ended.done():
            ended.set_result(packet[0] if isinstance(packet, bytes) and packet else "")

    client.on_connect, client.on_message, client.on_disconnect = connected, message, disconnected
    client.on_subscribe = lambda _c, _mid, codes, _p: say("granted", *codes)
    version = gmqtt.constants.MQTTv50 if five else gmqtt.constants.MQTTv311
    await client.connect(ask["host"], ask["port"], ssl=tls(), keepalive=ask["keepalive"], version=version)
    say("ended", await ended)


run = {"paho": paho, "aiomqtt": lambda: asyncio.run(aio()), "gmqtt": lambda: asyncio.run(gmqtt())}
run[ask["client"]]()
