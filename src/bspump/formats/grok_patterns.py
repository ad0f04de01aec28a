r"""The Grok patterns that ship with bspump, by the names in common use.

Each fails fast wherever it is tried: repetitions that may begin at many places of a line are
bounded, the others can neither be entered in their middle nor be split in two ways. So a hostile
line costs time in proportion to its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_NUMBERS: Final = {
    "INT": r"[+-]?[0-9]+",
    "POSINT": r"\b[1-9][0-9]*\b",
    "NONNEGINT": r"\b[0-9]+\b",
    "BASE10NUM": r"(?>[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))",
    "NUMBER": r"%{BASE10NUM}",
    "BASE16NUM": r"(?<![0-9A-Fa-f])[+-]?(?:0x)?[0-9A-Fa-f]+",
    "BASE16FLOAT": (
        r"(?<![0-9A-Fa-f.])[+-]?(?:0x)?(?:[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?|\.[0-9A-Fa-f]+)\b"
    ),
}

_TEXT: Final = {
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "QUOTEDTEXT": r'(?<=")(?<!\\")(?:[^"\\]++|\\.)*+',
    "QUOTEDSTRING": (
        r"""(?<!\\)(?:"(?:[^"\\]++|\\.)*+"|'(?:[^'\\]++|\\.)*+'|`(?:[^`\\]++|\\.)*+`)"""
    ),
    "QS": r"%{QUOTEDSTRING}",
    "UUID": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "URN": r"urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:[0-9A-Za-z()+,.:=@;$_!*'/?#%-]{1,1024}",
    "USERNAME": r"[a-zA-Z0-9._-]{1,128}",
    "USER": r"%{USERNAME}",
    "EMAILLOCALPART": (
        r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,62}){0,31}"
    ),
    "EMAILADDRESS": r"%{EMAILLOCALPART}@%{HOSTNAME}",
    "LOGLEVEL": (
        r"\b(?i:trace[1-8]?|debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?|alert"
        r"|crit(?:ical)?|fatal|severe|emerg(?:ency)?|panic)\b"
    ),
}


def _ipv6() -> Iterator[str]:
    """Yield the forms of an address, those that end with an IPv4 address first."""
    part = "[0-9A-Fa-f]{1,4}"
    for tail, room in ((r"%{IPV4}", 6), (part, 7)):
        yield rf"(?:{part}:){{{room}}}{tail}"
        for before in range(room):
            # Two colons stand for one group at least.
            start = rf"(?:{part}:){{{before}}}" if before else ":"
            yield rf"{start}:(?:{part}:){{0,{room - before - 1}}}{tail}"
    yield rf"(?:{part}:){{1,7}}:"
    yield "::"


_NETWORK: Final = {
    "IPV4": (
        r"(?<![0-9])(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})\.){3}"
        r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})(?![0-9])"
    ),
    "IPV6": (rf"(?<![0-9A-Fa-f:.])(?:{'|'.join(_ipv6())})(?![0-9A-Fa-f:])(?:%[\w.~-]{{1,32}})?"),
    "IP": r"%{IPV4}|%{IPV6}",
    "HOSTNAME": (
        r"\b(?>[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?)"
        r"(?:\.(?>[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?)){0,126}\b"
    ),
    "IPORHOST": r"%{IP}|%{HOSTNAME}",
    "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
    "CISCOMAC": r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}",
    "WINDOWSMAC": r"(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}",
    "COMMONMAC": r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}",
    "MAC": r"%{COMMONMAC}|%{WINDOWSMAC}|%{CISCOMAC}",
}

_PATHS: Final = {
    "UNIXPATH": r"(?:/[\w%!$@:.,+~=-]{0,255}){1,128}",
    "WINPATH": r'(?:[A-Za-z]:|\\)(?:\\[^\\/:*?"<>|\r\n]{0,255}){1,64}',
    "PATH": r"%{UNIXPATH}|%{WINPATH}",
    "TTY": r"/dev/(?:pts/[0-9]{1,6}|tty[0-9A-Za-z]{0,32})",
    "URIPROTO": r"\b[A-Za-z][A-Za-z0-9+.-]{0,31}",
    "URIHOST": r"(?:\[%{IPV6}\]|%{IPORHOST})(?::%{POSINT})?",
    "URIPATH": r"(?:/[\w$.+!*'(){},~:;=@#%&|-]{0,1024}){1,64}",
    "URIQUERY": r"[\w$.+!*'|(){},~@#%&/=:;?\[\]<>-]{0,4096}",
    "URIPARAM": r"\?%{URIQUERY}",
    "URIPATHPARAM": r"%{URIPATH}(?:%{URIPARAM})?",
    "URI": r"%{URIPROTO}://(?:[\w.%!$&'*+,;=~:-]{1,256}@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
}

_TIMES: Final = {
    "MONTH": (
        r"\b(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]une?"
        r"|[Jj]uly?|[Aa]ug(?:ust)?|[Ss]ep(?:t(?:ember)?)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?"
        r"|[Dd]ec(?:ember)?)\b"
    ),
    "MONTHNUM": r"1[0-2]|0?[1-9]",
    "MONTHNUM2": r"0[1-9]|1[0-2]",
    "MONTHDAY": r"0[1-9]|[12][0-9]|3[01]|[1-9]",
    "DAY": (
        r"\b(?:[Mm]on(?:day)?|[Tt]ue(?:sday)?|[Ww]ed(?:nesday)?|[Tt]hu(?:rsday)?|[Ff]ri(?:day)?"
        r"|[Ss]at(?:urday)?|[Ss]un(?:day)?)\b"
    ),
    "YEAR": r"(?:[0-9]{2}){1,2}",
    "HOUR": r"2[0-3]|[01]?[0-9]",
    "MINUTE": r"[0-5][0-9]",
    "SECOND": r"(?:60|[0-5]?[0-9])(?:[:.,][0-9]{1,9})?",
    "TIME": r"(?<![0-9])%{HOUR}:%{MINUTE}:%{SECOND}(?![0-9])",
    "DATE_US": r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
    "DATE_EU": r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
    "DATE": r"%{DATE_US}|%{DATE_EU}",
    "TZ": r"\b(?:UTC|GMT|MSK|[A-Z]{1,4}T)\b",
    "ISO8601_TIMEZONE": r"Z|[+-]%{HOUR}(?::?%{MINUTE})?",
    "ISO8601_SECOND": r"%{SECOND}",
    "TIMESTAMP_ISO8601": (
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?"
        r"(?:%{ISO8601_TIMEZONE})?"
    ),
    "DATESTAMP": r"(?:%{DATE})[- ]%{TIME}",
    "DATESTAMP_RFC822": r"%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}",
    "DATESTAMP_RFC2822": (
        r"%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} (?:%{ISO8601_TIMEZONE}|%{TZ})"
    ),
    "DATESTAMP_OTHER": r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}",
    "DATESTAMP_EVENTLOG": r"%{YEAR}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}",
    "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
    "HTTPDERROR_DATE": r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{YEAR}",
    "SYSLOGTIMESTAMP": r"%{MONTH} {1,2}%{MONTHDAY} %{TIME}",
}

_SYSLOG: Final = {
    "PROG": r"[\x21-\x5a\x5c\x5e-\x7e]{1,128}",
    "SYSLOGPROG": r"%{PROG:program}(?:\[%{POSINT:pid:int}\])?",
    "SYSLOGHOST": r"%{IPORHOST}",
    "SYSLOGFACILITY": r"<%{NONNEGINT:facility:int}\.%{NONNEGINT:priority:int}>",
    "SYSLOGBASE": (
        r"%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource}"
        r" %{SYSLOGPROG}:"
    ),
    "SYSLOGBASE2": (
        r"(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp8601})"
        r" (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource}(?: %{SYSLOGPROG}:)?"
    ),
    "SYSLOGLINE": r"%{SYSLOGBASE2} %{GREEDYDATA:message}",
    "SYSLOG5424PRINTASCII": r"[!-~]{1,256}",
    "SYSLOG5424PRI": r"<%{NONNEGINT:syslog5424_pri:int}>",
    "SYSLOG5424SD": r'(?:\[(?:[^"\\\[\]]++|\\.|"(?:[^"\\]++|\\.)*+")*+\])++',
    "SYSLOG5424BASE": (
        r"%{SYSLOG5424PRI}%{NONNEGINT:syslog5424_ver:int}"
        r" (?:-|%{TIMESTAMP_ISO8601:syslog5424_ts})"
        r" (?:-|%{SYSLOG5424PRINTASCII:syslog5424_host})"
        r" (?:-|%{SYSLOG5424PRINTASCII:syslog5424_app})"
        r" (?:-|%{SYSLOG5424PRINTASCII:syslog5424_proc})"
        r" (?:-|%{SYSLOG5424PRINTASCII:syslog5424_msgid})"
        r" (?:-|%{SYSLOG5424SD:syslog5424_sd})"
    ),
    "SYSLOG5424LINE": r"%{SYSLOG5424BASE}(?: %{GREEDYDATA:syslog5424_msg})?",
}

# Where a server writes `-` for what it does not know, there is no field.
_HTTP: Final = {
    "HTTPDUSER": r"%{EMAILADDRESS}|%{USER}",
    "HTTPDREQUEST": r'(?<=\s)(?:[^\s"\\]++|\\\S)++',
    "COMMONAPACHELOG": (
        r"%{IPORHOST:clientip} (?:-|%{NOTSPACE:ident}) (?:-|%{NOTSPACE:auth})"
        r" \[%{HTTPDATE:timestamp}\]"
        r' "(?:%{WORD:verb} %{HTTPDREQUEST:request}(?: HTTP/%{NUMBER:httpversion})?'
        r'|-|%{QUOTEDTEXT:rawrequest})"'
        r" (?:-|%{INT:response:int}) (?:-|%{INT:bytes:int})"
    ),
    "COMBINEDAPACHELOG": (
        r'%{COMMONAPACHELOG} "(?:-|%{QUOTEDTEXT:referrer})" "(?:-|%{QUOTEDTEXT:agent})"'
    ),
    "HTTPD_COMMONLOG": r"%{COMMONAPACHELOG}",
    "HTTPD_COMBINEDLOG": r"%{COMBINEDAPACHELOG}",
    "HTTPD_ERRORLOG": (
        r"\[%{HTTPDERROR_DATE:timestamp}\] \[(?:%{WORD:module}?:)?%{LOGLEVEL:loglevel}\]"
        r"(?: \[pid %{POSINT:pid:int}(?::tid %{INT:tid:int})?\])?"
        r"(?: \[client %{IPORHOST:clientip}(?::%{POSINT:clientport:int})?\])?"
        r"(?: (?<errorcode>AH[0-9]{1,8}):)? %{GREEDYDATA:message}"
    ),
}

_JAVA: Final = {
    "JAVACLASS": r"(?:[A-Za-z$_][\w$]{0,127}\.){0,31}[A-Za-z$_][\w$]{0,127}",
    "JAVAMETHOD": r"<(?:cl)?init>|[A-Za-z$_][\w$]{0,127}",
    "JAVAFILE": r"[\w.$-]{1,128}",
    "JAVASTACKTRACEPART": (
        r"\bat %{JAVACLASS:class}\.%{JAVAMETHOD:method}"
        r"\((?:Native Method|Unknown Source|%{JAVAFILE:file}(?::%{INT:line:int})?)\)"
    ),
}

PATTERNS: Final = _NUMBERS | _TEXT | _NETWORK | _PATHS | _TIMES | _SYSLOG | _HTTP | _JAVA

# Where an expression begins with one of these, it need not be tried in the middle of a run of
# characters that the pattern takes: had it matched there, it had matched from the beginning of
# the run. Without this, a run that is followed by the wrong thing costs its length squared.
START_GUARDS: Final = {
    "INT": r"(?<![0-9])",
    "BASE10NUM": r"(?<![0-9])",
    "NUMBER": r"(?<![0-9])",
    "NOTSPACE": r"(?<!\S)",
    "SPACE": r"(?<!\s)",
    "DATA": r"(?<!.)",
    "GREEDYDATA": r"(?<!.)",
    "URIQUERY": r"(?<![\w$.+!*'|(){},~@#%&/=:;?\[\]<>-])",
    "URIPARAM": r"(?<!\?)",
}
