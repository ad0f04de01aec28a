"""The patterns that ship: what they take, and that no line makes them slow."""

from __future__ import annotations

import time

import pytest

from bspump.formats.grok import Grok, pattern_names

TAKEN = {
    "INT": ["0", "-12", "+7"],
    "POSINT": ["1", "90"],
    "NONNEGINT": ["0", "007"],
    "BASE10NUM": ["1", "-1.5", ".5"],
    "NUMBER": ["1", "-1.5", ".5"],
    "BASE16NUM": ["0x1F", "ff", "-0A"],
    "BASE16FLOAT": ["0x1.8", "ff", ".a"],
    "WORD": ["abc_1", "žluť"],
    "NOTSPACE": ["a/b=c"],
    "SPACE": ["", " \t"],
    "DATA": ["", "a b"],
    "GREEDYDATA": ["", "a b"],
    "QUOTEDSTRING": ['"a \\" b"', "'a b'", "`x`", '""'],
    "QS": ['"x"'],
    "UUID": ["123e4567-e89b-12d3-a456-426614174000"],
    "URN": ["urn:isbn:0451450523"],
    "USERNAME": ["ann.smith-1_x"],
    "USER": ["root"],
    "EMAILLOCALPART": ["ann.smith+tag"],
    "EMAILADDRESS": ["ann.smith+tag@mail.example.com"],
    "LOGLEVEL": ["ERROR", "warn", "Warning", "INFO", "fatal", "trace3"],
    "IPV4": ["1.0.0.0", "255.255.255.255", "192.168.001.1"],
    "IPV6": [
        "::",
        "::1",
        "1::",
        "2001:db8::1:0",
        "1:2:3:4:5:6:7:8",
        "::ffff:1.2.3.4",
        "fe80::1%eth0",
    ],
    "IP": ["10.0.0.1", "::1"],
    "HOSTNAME": ["localhost", "a.b-c.example.com", "my_host", "10.0.0.1"],
    "IPORHOST": ["10.0.0.1", "::1", "host.example"],
    "HOSTPORT": ["host:80", "10.0.0.1:443"],
    "CISCOMAC": ["0123.4567.89ab"],
    "WINDOWSMAC": ["01-23-45-67-89-AB"],
    "COMMONMAC": ["01:23:45:67:89:ab"],
    "MAC": ["01:23:45:67:89:ab", "01-23-45-67-89-AB", "0123.4567.89ab"],
    "UNIXPATH": ["/", "/var/log/syslog.1", "/a//b/"],
    "WINPATH": ["C:\\Windows\\system32", "\\\\server\\share dir\\x"],
    "PATH": ["/var/x", "C:\\x"],
    "TTY": ["/dev/pts/8", "/dev/tty1", "/dev/ttyS0"],
    "URIPROTO": ["http", "svn+ssh"],
    "URIHOST": ["example.com", "example.com:8080", "[::1]:80"],
    "URIPATH": ["/", "/a/b;c=d"],
    "URIQUERY": ["a=b&c=%20d"],
    "URIPARAM": ["?a=b"],
    "URIPATHPARAM": ["/a/b?c=d", "/a"],
    "URI": ["http://example.com", "https://ann:pw@example.com:443/a/b?c=d#e", "file:///etc/hosts"],
    "MONTH": ["Jan", "october", "May"],
    "MONTHNUM": ["1", "09", "12"],
    "MONTHNUM2": ["09", "12"],
    "MONTHDAY": ["1", "01", "31"],
    "DAY": ["Mon", "Thursday"],
    "YEAR": ["2024", "24"],
    "HOUR": ["0", "09", "23"],
    "MINUTE": ["00", "59"],
    "SECOND": ["0", "59", "60", "07.123", "07,123"],
    "TIME": ["23:59:60", "1:02:03.456"],
    "DATE_US": ["12/31/2024", "1-2-24"],
    "DATE_EU": ["31.12.2024", "31/12/24"],
    "DATE": ["12/31/2024", "31.12.2024"],
    "TZ": ["UTC", "CEST", "PST"],
    "ISO8601_TIMEZONE": ["Z", "+01:00", "-0700", "+02"],
    "ISO8601_SECOND": ["59", "60"],
    "TIMESTAMP_ISO8601": [
        "2024-01-02T03:04:05.678Z",
        "2024-01-02 03:04",
        "2024-01-02T03:04:05+01:00",
    ],
    "DATESTAMP": ["31.12.2024 23:59:59", "12/31/24-23:59:59"],
    "DATESTAMP_RFC822": ["Mon Jan 15 2024 10:00:00 UTC"],
    "DATESTAMP_RFC2822": ["Mon, 15 Jan 2024 10:00:00 +0100", "Mon, 15 Jan 2024 10:00:00 GMT"],
    "DATESTAMP_OTHER": ["Mon Jan 15 10:00:00 CET 2024"],
    "DATESTAMP_EVENTLOG": ["20240115100000"],
    "HTTPDATE": ["10/Oct/2000:13:55:36 -0700"],
    "HTTPDERROR_DATE": ["Wed Oct 11 14:32:52.123456 2000"],
    "SYSLOGTIMESTAMP": ["Oct 11 22:14:15", "Feb  5 17:32:18"],
    "PROG": ["postfix/smtpd"],
    "SYSLOGPROG": ["sshd[123]", "kernel"],
    "SYSLOGHOST": ["host", "::1"],
    "SYSLOGFACILITY": ["<4.2>"],
    "SYSLOG5424PRINTASCII": ["a!~"],
    "SYSLOG5424PRI": ["<34>"],
    "SYSLOG5424SD": ['[a x="1" y="]"][b]'],
    "HTTPDUSER": ["ann@example.com", "ann"],
    "JAVACLASS": ["java.util.Map$Entry", "Main"],
    "JAVAMETHOD": ["run", "<init>", "<clinit>"],
    "JAVAFILE": ["Main.java"],
}

NOT_TAKEN = {
    "POSINT": ["0", "1a"],
    "NUMBER": ["1.", "a", "1.2.3"],
    "QUOTEDSTRING": ['"a', '"a"b"', "a"],
    "UUID": ["123e4567-e89b-12d3-a456-42661417400"],
    "LOGLEVEL": ["information2", "errors"],
    "IPV4": ["256.1.1.1", "1.2.3", "1.2.3.4.5"],
    "IPV6": [":", ":::", "1:2:3:4:5:6:7", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "12:34:56"],
    "HOSTNAME": ["-a", "a-", "a..b", "a b", "x" * 64],
    "MAC": ["01:23:45:67:89", "01:23:45:67:89:gg"],
    "UNIXPATH": ["a/b", "/a b"],
    "URI": ["//example.com", "http:/x"],
    "MONTHNUM": ["0", "13"],
    "MONTHDAY": ["0", "32"],
    "HOUR": ["24"],
    "MINUTE": ["60", "5"],
    "TIME": ["24:00:00", "10:00"],
    "TIMESTAMP_ISO8601": ["2024-13-02T03:04:05Z", "2024-01-02"],
    "SYSLOG5424SD": ["[a", '[a x="1]'],
}

WHOLE_LINES = {
    "SYSLOGBASE",
    "SYSLOGBASE2",
    "SYSLOGLINE",
    "SYSLOG5424BASE",
    "SYSLOG5424LINE",
    "COMMONAPACHELOG",
    "COMBINEDAPACHELOG",
    "HTTPD_COMMONLOG",
    "HTTPD_COMBINEDLOG",
    "HTTPD_ERRORLOG",
    "JAVASTACKTRACEPART",
}
# These say what stands before them, so they take nothing that stands alone.
PARTS = {"QUOTEDTEXT", "HTTPDREQUEST"}

ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326'
HOSTILE = [
    *(
        "a",
        "1",
        "a.",
        "1.",
        "-",
        "/",
        "/a",
        "a://b/?",
        ":",
        "a:",
        "1:",
        '"',
        "\\",
        '\\"',
        "' ",
        "a@b.",
    ),
    *("[", "a-", "_", "a$.", "0x", "urn:a:", "at a.", "C:\\a", "Oct 11 22:14:15 h ", "é"),
    *(
        "2000-01-01T",
        "[Wed Oct 11 14:32:52 2000] ",
        '<1>1 - - - - - [a "',
        f'{ACCESS[:47]}"',
        f'{ACCESS} "',
    ),
]


def test_every_pattern_that_ships_is_tested():
    assert TAKEN.keys() | WHOLE_LINES | PARTS == set(pattern_names())


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_a_pattern_takes_what_its_name_says(name):
    grok = Grok(f"^%{{{name}:x}}$")
    assert [(grok.match(text) or {}).get("x") for text in TAKEN[name]] == TAKEN[name]


@pytest.mark.parametrize("name", sorted(NOT_TAKEN))
def test_a_pattern_takes_nothing_else(name):
    grok = Grok(f"^%{{{name}:x}}$")
    assert [text for text in NOT_TAKEN[name] if grok.match(text) is not None] == []


def test_an_access_log_is_read():
    expected = {
        "clientip": "127.0.0.1",
        "auth": "frank",
        "timestamp": "10/Oct/2000:13:55:36 -0700",
        "verb": "GET",
        "request": "/a.gif",
        "httpversion": "1.0",
        "response": 200,
        "bytes": 2326,
    }
    assert Grok("^%{COMMONAPACHELOG}$").match(ACCESS) == expected
    combined = Grok("^%{COMBINEDAPACHELOG}$")
    line = f'{ACCESS} "http://www.example.com/start.html" "Mozilla/4.08 (\\"x\\")"'
    assert combined.match(line) == expected | {
        "referrer": "http://www.example.com/start.html",
        "agent": 'Mozilla/4.08 (\\"x\\")',
    }
    assert combined.match(f'{ACCESS} "-" "-"') == expected


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ('"GET /a b HTTP/1.1"', {"rawrequest": "GET /a b HTTP/1.1"}),
        ('"\\x16\\x03\\x01"', {"rawrequest": "\\x16\\x03\\x01"}),
        ('"-"', {}),
        ('"GET /x"', {"verb": "GET", "request": "/x"}),
        ('"GET /\\"x\\" HTTP/2.0"', {"verb": "GET", "request": '/\\"x\\"', "httpversion": "2.0"}),
    ],
)
def test_an_odd_request_is_kept_as_it_came(request_line, expected):
    line = f"::1 - - [10/Oct/2000:13:55:36 +0000] {request_line} 408 -"
    found = Grok("^%{COMMONAPACHELOG}$").match(line)
    assert found == expected | {
        "clientip": "::1",
        "timestamp": "10/Oct/2000:13:55:36 +0000",
        "response": 408,
    }


def test_error_logs_of_both_forms_are_read():
    grok = Grok("^%{HTTPD_ERRORLOG}$")
    assert grok.match(
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] "
        "[client 72.15.99.187:3030] AH00037: File does not exist: /favicon.ico"
    ) == {
        "timestamp": "Fri Sep 09 10:42:29.902022 2011",
        "module": "core",
        "loglevel": "error",
        "pid": 35708,
        "tid": 4328636416,
        "clientip": "72.15.99.187",
        "clientport": 3030,
        "errorcode": "AH00037",
        "message": "File does not exist: /favicon.ico",
    }
    assert grok.match("[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] denied") == {
        "timestamp": "Wed Oct 11 14:32:52 2000",
        "loglevel": "error",
        "clientip": "127.0.0.1",
        "message": "denied",
    }


def test_syslog_lines_are_read():
    grok = Grok("^%{SYSLOGLINE}$")
    assert grok.match("Oct 11 22:14:15 mymachine su[231]: 'su root' failed") == {
        "timestamp": "Oct 11 22:14:15",
        "logsource": "mymachine",
        "program": "su",
        "pid": 231,
        "message": "'su root' failed",
    }
    assert grok.match("2024-01-02T03:04:05+01:00 host kernel: up") == {
        "timestamp8601": "2024-01-02T03:04:05+01:00",
        "logsource": "host",
        "program": "kernel",
        "message": "up",
    }


def test_a_syslog_message_of_rfc5424_is_read():
    line = '<165>1 2003-10-11T22:14:15.003Z host.example evntslog - ID47 [a@1 x="1"] An entry'
    assert Grok("^%{SYSLOG5424LINE}$").match(line) == {
        "syslog5424_pri": 165,
        "syslog5424_ver": 1,
        "syslog5424_ts": "2003-10-11T22:14:15.003Z",
        "syslog5424_host": "host.example",
        "syslog5424_app": "evntslog",
        "syslog5424_msgid": "ID47",
        "syslog5424_sd": '[a@1 x="1"]',
        "syslog5424_msg": "An entry",
    }


def test_a_line_of_a_java_stack_trace_is_read():
    grok = Grok("%{JAVASTACKTRACEPART}")
    assert grok.match("\tat org.example.Main$Inner.run(Main.java:42)") == {
        "class": "org.example.Main$Inner",
        "method": "run",
        "file": "Main.java",
        "line": 42,
    }
    assert grok.match("  at java.lang.Object.wait(Native Method)") == {
        "class": "java.lang.Object",
        "method": "wait",
    }


@pytest.mark.parametrize("name", pattern_names())
def test_no_line_makes_a_pattern_slow(name):
    # The zero byte is nowhere in the lines, so every way to match is tried in vain.
    grok = Grok(f"%{{{name}:x}}\0")
    for unit in HOSTILE:
        line = (unit * 16_000)[:16_000]
        begin_s = time.process_time()
        assert grok.match(line) is None
        # Three times what the slowest takes; steps of the length squared take as long again.
        assert time.process_time() - begin_s < 0.8, f"{name} is slow with {unit!r}"
