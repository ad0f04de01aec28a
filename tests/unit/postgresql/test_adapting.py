from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.postgresql.adapting import dump_json
from bspump.postgresql.queries import quoted, quoted_table, select_between, verbatim

psycopg = pytest.importorskip("psycopg")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_holds_what_was_put_in(value):
    assert json.loads(dump_json(value)) == value


def test_json_has_days_and_large_numbers_at_the_same_time():
    value = {"day": datetime.date(2024, 2, 29), "number": 2**80}
    assert json.loads(dump_json(value)) == {"day": "2024-02-29", "number": 2**80}


def test_what_json_has_not_is_refused():
    with pytest.raises(psycopg.DataError, match="object is no type of JSON"):
        dump_json({"a": object(), "b": 2**80})


def test_a_name_stays_one_name():
    assert quoted_table('a"; DROP TABLE b --') == '"a""; DROP TABLE b --"'
    assert quoted_table("s.t.u") == '"s"."t.u"'
    with pytest.raises(ValueError, match="expected the name"):
        quoted("")


def test_a_query_of_the_user_keeps_its_percent_signs():
    assert verbatim(" SELECT '10%' ;\n") == "SELECT '10%%'"
    statement = select_between('"a%%b"', ["c%d"], [">"], 5)
    assert statement.count("%s") == 1
    assert '"c%%d" > (%s)' not in statement
    assert '("c%%d") > (%s)' in statement
