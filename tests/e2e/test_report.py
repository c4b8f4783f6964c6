#!/usr/bin/python3
"""herald report: what was sent and what became of it, over days, out of a few keys."""

import csv
import io
import json
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import flow
import tap
from flow import KEY, QUICK, message, push
from stand import SLOWNESS, Stand, peak_megabytes, wait_until
from tap import equal

HOUR, DAY = 3600, 86400
TEMPLATE = {
    "name": "appointment",
    "channel": "sms",
    "from": "+13175550100",
    "texts": {"en": "Hello {{name}}, see you on Monday."},
}


def report(stand, *flags):
    return stand.herald("report", "--json", *flags, check=True).json


def rows(answer):
    return {row[answer["by"]]: row for row in answer["rows"]}


def people(count, first=0):
    lines = [f"+1317555{number:04d},Ann,true" for number in range(first, first + count)]
    return "\n".join(["to,name,consentVerified", *lines]) + "\n"


def test_a_campaign_with_receipts_is_reported_by_campaign_channel_template_hour_and_day():
    with Stand() as stand:
        stand.sandbox("--sent-after", "10ms", "--delivered-after", "30ms", "--read-after", "30ms")
        template = stand.write("t.json", json.dumps(TEMPLATE))
        for campaign, count in (("spring", 30), ("autumn", 12)):
            stand.herald("campaign", "send", "--template", template, "--campaign", campaign,
                         "--recipients", stand.write(f"{campaign}.csv", people(count)), check=True)
        push(stand, message(1), {"payload": {}, "campaign": "spring"})  # one without a campaign, one that dies
        stand.worker("--poll-status", "--poll-first", "50ms", *QUICK)
        stand.wait_drained()

        def all_delivered():
            return report(stand)["total"]["delivered"] == 43

        wait_until(all_delivered, lambda: report(stand)["total"], 30)
        answer = report(stand, "--by", "campaign")
        found = rows(answer)
        equal([found[name]["sent"] for name in ("spring", "autumn", "")], [30, 12, 1])
        equal(found["spring"]["dead"], 1)
        equal(sum(found["spring"]["reasons"].values()), 1)
        equal(answer["total"]["sent"], 43)
        equal(answer["total"]["segments"], 43)
        equal(answer["total"]["delivery_rate"], 100.0)
        equal(answer["total"]["enqueue_to_sent_ms"]["count"], 43)
        equal(answer["total"]["sent_to_delivered_ms"]["count"], 43)
        equal(answer["metrics"]["totalSent"], 43)
        equal(answer["metrics"]["successRate"], "100.00%")
        equal(answer["metrics"]["averageLatencyMs"], answer["total"]["enqueue_to_sent_ms"]["mean"])
        by_template = rows(report(stand, "--by", "template"))
        equal(by_template["appointment"]["sent"], 42)
        equal(rows(report(stand, "--by", "template", "--campaign", "autumn"))["appointment"]["sent"], 12)
        equal(rows(report(stand, "--by", "channel"))["sms"]["sent"], 43)
        equal(sum(row["sent"] for row in report(stand, "--by", "hour", "--days", "2")["rows"]), 43)
        equal(sum(row["sent"] for row in report(stand, "--by", "day", "--days", "2")["rows"]), 43)
        equal(report(stand, "--from", "3d", "--to", "2d")["total"]["sent"], 0)


def test_the_three_formats_say_the_same():
    with Stand() as stand:
        stand.sandbox()
        push(stand, *[message(number, campaign=f"c{number % 3}") for number in range(30)])
        stand.worker(*QUICK)
        stand.wait_drained()
        answer = rows(report(stand, "--by", "campaign"))
        text = stand.herald("report", "--by", "campaign", "--format", "csv", check=True).out
        table = stand.herald("report", "--by", "campaign", check=True).out
        lines = list(csv.DictReader(io.StringIO(text)))
        equal(len(lines), 3)
        for line in lines:
            equal(int(line["sent"]), answer[line["campaign"]]["sent"])
            equal(int(line["enqueue_to_sent_p95_ms"]), answer[line["campaign"]]["enqueue_to_sent_ms"]["p95"])
            assert line["campaign"] in table, table
        assert "in all" in table and "UTC" in table, table
        whole = stand.herald("report", check=True).out
        for word in ("sent", "delivered", "success rate", "delivery rate", "SMS segments", "99 % within"):
            assert word in whole, whole


FILL = """
local first, last, rows = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for at = first, last do
  local hash = KEYS[1] .. at
  redis.call('HSET', hash, 'rows', rows)
  for row = 1, rows do
    local to = row .. ':'
    redis.call('HSET', hash, '=c' .. row .. '|sms|t' .. row % 5, row, to .. 's', 100, to .. 'd', 90, to .. 'f', 5,
      to .. 'g', 100, to .. 'xrejected', 2, to .. 'Q', 100000, to .. 'L', 300000)
    for bucket = 40, 69 do redis.call('HSET', hash, to .. 'q' .. bucket, 3) end
    for bucket = 60, 79 do redis.call('HSET', hash, to .. 'l' .. bucket, 4) end
  end
end
"""


def fill(stand, campaigns, days):
    """What workers would have counted, in each hour and day of so many days."""
    hour, day = int(time.time()) // HOUR, int(time.time()) // DAY
    for first in range(hour - days * 24, hour + 1, 24):
        stand.redis.call("EVAL", FILL, 1, f"{KEY}report:hour:", first, min(first + 23, hour), campaigns)
    for first in range(day - days, day + 1):
        stand.redis.call("EVAL", FILL, 1, f"{KEY}report:day:", first, first, campaigns * 4)


def used_cpu(stand):
    """Seconds, of Redis and of the commands: what it would take by the clock if nobody else used the machine."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = stand.redis.call("INFO", "cpu").decode().splitlines()
    main = [line for line in lines if line.startswith(("used_cpu_user:", "used_cpu_sys:"))]
    return spent.ru_utime + spent.ru_stime + sum(float(line.split(":")[1]) for line in main)


def test_thirty_days_of_many_campaigns_are_reported_within_a_second():
    with Stand(appendonly=False) as stand:
        fill(stand, campaigns=50, days=30)
        stand.redis.call("CONFIG", "RESETSTAT")
        for flags, most in ((["--days", "30"], 1), (["--days", "30", "--by", "campaign"], 1),
                            (["--days", "30", "--by", "hour"], 3)):  # 721 hashes with every bucket of every campaign
            took = []
            for _ in range(3):
                before = used_cpu(stand)
                answer = report(stand, *flags)
                took.append(used_cpu(stand) - before)
            print(f"# {' '.join(flags)}: {min(took):.2f} s, {answer['total']['sent']} sent, {len(answer['rows'])} rows")
            assert min(took) < most * SLOWNESS, took
        used = stand.redis.call("INFO", "commandstats").decode()
        assert "cmdstat_keys" not in used and "cmdstat_scan" not in used, used


def test_what_cannot_be_asked_is_refused_with_what_is_wrong():
    with Stand() as stand:
        for flags, words in (
            (["--by", "colour"], "--by"),
            (["--format", "xml"], "--format"),
            (["--days", "0"], "--days"),
            (["--from", "soon"], "--from"),
            (["--to", "2026-01-01"], "--from"),
            (["--from", "2026-01-02", "--to", "2026-01-01"], "not after"),
            (["--by", "hour", "--days", "60"], "40 days"),
            (["--from", "9999-12-31"], "not in the past"),
            (["--campaign", "no such name!"], "--campaign"),
            (["extra"], "one word too many"),
        ):
            result = stand.herald("report", *flags)
            equal(result.status, 2, flags)
            assert words in result.err, result.err
    with Stand() as stand:
        stand.redis.stop()
        equal(stand.herald("report").status, 4)


def test_damaged_counts_are_passed_over():
    with Stand() as stand:
        hour = int(time.time()) // HOUR
        stand.redis.call("HSET", f"{KEY}report:hour:{hour}", "=a|sms|t", "1", "1:s", "5", "=no name", "2", "2:s", "7",
                         "=x|y|z", "99999999999", "1:d", "many", "=b|sms|\x1b[31m", "3", "3:s", "2", "77:s", "1", "::", "1", "", "2")
        answer = report(stand, "--from", "1h", "--by", "template")
        equal(answer["total"]["sent"], 7)
        assert "\x1b" not in stand.herald("report", "--from", "1h", "--by", "template", check=True).out
        stand.redis.call("DEL", f"{KEY}report:hour:{hour}")
        stand.redis.call("SET", f"{KEY}report:hour:{hour}", "x")
        equal(stand.herald("report", "--from", "1h").status, 1)


def export(stand, name, *flags, status=0):
    path = stand.path(name)
    result = stand.herald("report", "--export", str(path), *flags)
    equal(result.status, status, result.err)
    return result, path.read_text()


def test_the_rows_of_single_messages_are_the_messages_of_the_report():
    with Stand() as stand:
        stand.sandbox("--sent-after", "10ms", "--delivered-after", "20ms", "--read", "0", "--undelivered", "0")
        bad = [message(500 + number, campaign="spring", payload={"textBody": ""}) for number in range(3)]
        push(stand, *[message(number, campaign=("spring", "autumn")[number % 2]) for number in range(300)], *bad)
        stand.worker("--poll-status", "--poll-first", "50ms", *QUICK)
        stand.wait_drained()
        wait_until(lambda: report(stand)["total"]["delivered"] == 300, lambda: report(stand)["total"], 40)
        stand.herald("dead", "replay", "m500", "--edit", '{"payload":{"textBody":"Hi"}}', check=True)
        wait_until(lambda: report(stand)["total"]["delivered"] == 301, lambda: report(stand)["total"], 20)
        equal([report(stand)["total"][what] for what in ("sent", "dead")], [301, 3], "deaths stay what happened")
        result, text = export(stand, "rows.jsonl")
        found = [json.loads(line) for line in text.splitlines()]
        assert "303 messages exported" in result.err, result.err
        equal(sorted(row["messageId"] for row in found),
              sorted([f"m{number}" for number in range(300)] + ["m500", "m501", "m502"]))
        for row in found:
            if row["status"] == "dead":
                equal((row["reason"], "sentDate" in row), ("text_missing", False))
                continue
            equal(row["channelType"], "sms")
            assert row["status"] in ("delivered", "read"), row  # who looks late finds it read
            assert row["createdDate"] <= row["sentDate"], row
            assert row["latencyMs"] >= 0 and row["deliveryLatencyMs"] >= 0 and row["providerId"], row
        assert "+1317" not in text and "1317555" not in text, "addresses"
        equal(stand.path("rows.jsonl").stat().st_mode & 0o777, 0o600)
        lines = list(csv.DictReader(io.StringIO(export(stand, "rows.csv", "--campaign", "autumn")[1])))
        equal(len(lines), 150)
        equal({line["campaign"] for line in lines}, {"autumn"})
        equal([line["latencyMs"] for line in lines],
              [str(row["latencyMs"]) for row in found if row.get("campaign") == "autumn"])
        equal(export(stand, "none.jsonl", "--from", "3d", "--to", "2d")[1], "")
        streamed = stand.herald("report", "--export", "-", check=True).out
        equal(streamed, text)
        equal(stand.herald("report", "--export", "/nowhere/rows.csv").status, 1)
        equal(stand.herald("report", "--export", "/dev/full").status, 1)


def test_rows_are_streamed_in_little_memory():
    script = """
        for i = 1, 60000 do
          local id = string.format('01980f6e-7c00-7abc-8def-%012d', i)
          redis.call('HSET', KEYS[1] .. 'message:' .. id, 'state', 'sent', 'at', ARGV[1], 'campaign', 'c', 'attempts', 1,
            'provider_id', id, 'conversation_id', id, 'correlation_id', id, 'channel', 'sms', 'template', 't', 'since', ARGV[1])
          redis.call('RPUSH', KEYS[1] .. 'ends:' .. ARGV[2], ARGV[3] .. ' ' .. id)
        end"""
    with Stand(appendonly=False) as stand:
        hour = int(time.time()) // HOUR
        stand.redis.call("EVAL", script, 1, KEY, hour * HOUR * 1000 + 77, hour, 77)
        _, text = export(stand, "many.csv", "--from", "1h")
        equal(len(text.splitlines()), 60001)
        if SLOWNESS == 1:  # a sanitizer's shadow is not Herald's
            peak = peak_megabytes(stand, "report", "--export", stand.path("again.csv"), "--from", "1h")
            assert peak < 50, f"{peak:.1f} MB"
        used = stand.redis.call("INFO", "commandstats").decode()
        assert "cmdstat_keys" not in used and "cmdstat_scan" not in used, used


def sent_by_genesys(stand, count):
    """So many messages of the three routes in the stand-in's ledger, by a worker."""
    whatsapp = {"payload": {"channelType": "messaging:whatsapp", "from": {"address": "whatsapp:+15550001234"},
                            "to": [{"address": "whatsapp:+15559998765"}], "content": {"type": "text", "text": "Hello"},
                            "metadata": {"consentVerified": True}}}
    push(stand, *[message(number) for number in range(count - 1)], whatsapp)
    stand.worker(*QUICK)
    stand.wait_drained()


def test_what_genesys_says_is_read_page_by_page_from_either_api():
    with Stand() as stand:
        stand.sandbox("--sent-after", "5ms", "--delivered-after", "5ms", "--read", "0", "--undelivered", "0")
        sent_by_genesys(stand, 231)
        for source in ("genesys", "messages", "analytics"):
            count = 230 if source == "analytics" else 231  # the tutorial's message is in no conversation
            before = stand.genesys.summary()["calls"]
            answer = report(stand, "--source", source, "--by", "channel")
            equal(answer["source"], "genesys")
            equal(answer["total"]["sent"], count, source)
            equal(answer["total"]["delivered"], count, source)
            equal({name: row["sent"] for name, row in rows(answer).items()},
                  {"sms": 230} if source == "analytics" else {"sms": 230, "whatsapp": 1}, source)
            equal(answer["metrics"]["successRate"], "100.00%")
            equal(stand.genesys.summary()["calls"] - before, 3, "pages of a hundred")
            if source != "analytics":
                equal(answer["total"]["enqueue_to_sent_ms"]["count"], 231)
            _, text = export(stand, f"{source}.jsonl", "--source", source)
            found = [json.loads(line) for line in text.splitlines()]
            equal(len({row["messageId"] for row in found}), count)
            equal({row["status"] for row in found}, {"delivered"})
            assert "555" not in "".join(row["channelType"] + row.get("reason", "") for row in found)
        equal(report(stand, "--source", "genesys", "--from", "3d", "--to", "2d")["total"]["sent"], 0)
        # An organisation of the real API has no such listing.
        stand.genesys.script([{"match": {"route": "report"}, "do": "404", "times": 1}])
        equal(report(stand, "--source", "genesys")["total"]["sent"], 230)
        equal(stand.herald("report", "--source", "genesys", "--by", "template").status, 2)


def test_asking_genesys_keeps_to_the_window_and_takes_its_refusals():
    with Stand() as stand:
        # What the stand-in sees is later than the grants by as much as the requests' ways differ.
        stand.sandbox("--observe-window", f"{1000 - 100 * SLOWNESS}ms", "--sent-after", "5ms", "--delivered-after", "5ms")
        push(stand, *[message(number) for number in range(160)])
        worker = stand.worker("--rate", "40/1s", *QUICK)
        while stand.genesys.summary()["accepted"] < 160:  # beside the messages, which are not held up
            report(stand, "--source", "genesys", "--rate", "40/1s")
        summary = stand.genesys.summary()
        assert summary["max_in_window"] <= 40, summary
        assert summary["calls"] >= 2, summary
        equal(report(stand, "--source", "genesys", "--rate", "40/1s")["total"]["sent"], 160)
        worker.terminate()
        stand.genesys.script([{"match": {"route": "report"}, "do": "429", "retry_after": 1, "times": 1},
                              {"match": {"route": "report"}, "do": "401", "times": 1}])
        tokens = stand.genesys.summary()["tokens_issued"]
        started = time.monotonic()
        result = stand.herald("report", "--source", "genesys", "--json", check=True)
        assert time.monotonic() - started >= 1 and "asks to wait 1 s" in result.err, result.err
        equal(stand.genesys.summary()["tokens_issued"] - tokens, 2, "tokens")
        for step, status, words in (
            ({"do": "403"}, 1, "messaging:messages:read"),
            ({"do": "429", "retry_after": 600}, 4, "wait 600 s"),
            ({"do": "500"}, 4, "500"),
            ({"do": "400"}, 1, "400"),
            ({"do": "huge"}, 1, "answers more than"),
        ):
            stand.genesys.script([{"match": {"route": "report"}, "times": 0, **step}])
            result = stand.herald("report", "--source", "genesys")
            equal(result.status, status, result.describe())
            assert words in result.err, result.err
        stand.genesys.script([])
        result = stand.herald("report", "--source", "genesys", env={"GENESYS_CLIENT_SECRET": "wrong"})
        equal(result.status, 1, result.describe())
        stand.genesys.config(outage=True)
        equal(stand.herald("report", "--source", "genesys").status, 4)


if __name__ == "__main__":
    tap.run(globals())
