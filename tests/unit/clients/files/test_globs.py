"""Globs find regular files, each once and in order."""

from __future__ import annotations

import os

from bspump.clients.files.globs import (
    find_files,
    find_paths,
    is_match,
    literal_directory,
    split_patterns,
)


def names(found, directory):
    return [each.path.removeprefix(f"{directory}/") for each in found]


def test_patterns_are_separated_like_paths_and_empty_ones_are_left_out():
    assert split_patterns(f"a*.log{os.pathsep}{os.pathsep} b/** ") == ["a*.log", "b/**"]


def test_files_come_sorted_and_each_once(tmp_path):
    for name in ("b.log", "a.log", "c.txt"):
        (tmp_path / name).touch()
    assert names(find_files([f"{tmp_path}/*.log", f"{tmp_path}/a*"]), tmp_path) == [
        "a.log",
        "b.log",
    ]


def test_two_stars_stand_for_any_depth(tmp_path):
    (tmp_path / "x/y").mkdir(parents=True)
    for name in ("1.log", "x/2.log", "x/y/3.log"):
        (tmp_path / name).touch()
    assert names(find_files([f"{tmp_path}/**/*.log"]), tmp_path) == [
        "1.log",
        "x/2.log",
        "x/y/3.log",
    ]


def test_directories_pipes_and_dangling_links_are_no_files(tmp_path):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    assert names(find_files([f"{tmp_path}/*"]), tmp_path) == ["file", "link"]


def test_excluded_are_whole_paths_and_names(tmp_path):
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / name).touch()
    found = find_files([f"{tmp_path}/*"], [f"{tmp_path}/a*", "b.*"])
    assert names(found, tmp_path) == ["c.log"]


def test_hidden_files_are_matched_by_no_star(tmp_path):
    (tmp_path / ".out.json.part").touch()
    assert find_paths([f"{tmp_path}/*"]) == []


def test_a_pattern_without_stars_is_the_file_itself(tmp_path):
    (tmp_path / "a.log").touch()
    assert find_paths([str(tmp_path / "a.log"), str(tmp_path / "b.log")]) == [
        str(tmp_path / "a.log")
    ]


def test_a_name_or_a_path_matches():
    assert is_match("in/a.csv", ["*.csv"])
    assert is_match("in/a.csv", ["in/*"])
    assert not is_match("in/a.csv", ["b*"])
    assert not is_match("in/a.csv", [])


def test_the_directory_of_a_pattern_is_what_has_no_stars():
    assert literal_directory("/a/b*/c/d.log").as_posix() == "/a"
    assert literal_directory("a/b/*.log").as_posix() == "a/b"
    assert literal_directory("*.log").as_posix() == "."
