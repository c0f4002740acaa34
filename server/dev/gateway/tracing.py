"""Traces of the gateway: sent to a collector over OTLP, with nothing in them that opens something."""

from typing import Any
from urllib.parse import urlsplit

TYPE = "type.googleapis.com/"
# What edge.lua says of a request, see the access log in envoy.yaml.
_SAID = "%DYNAMIC_METADATA(scorm.edge:request:{})%"
# Tags that Envoy fills with what a caller sent, who may have put a key or token there.
_CALLERS_WORDS = ("user_agent", "guid:x-request-id", "grpc.path", "grpc.authority", "grpc.content_type", "grpc.timeout")
_MILLION = 1_000_000


def fit_manager(manager: dict[str, Any], *, ratio: float) -> None:
    """Makes a share of all requests traces, which begin here: what a client says of traces is dropped."""
    manager["request_id_extension"]["typed_config"]["use_request_id_for_trace_sampling"] = False
    manager["tracing"] = {
        "client_sampling": {"value": 0},
        # Of the path that Envoy itself would tell: the slash. A custom tag takes the place of Envoy's of that name.
        "max_path_tag_length": 1,
        "operation": "%ROUTE_NAME%",
        "custom_tags": [
            {"tag": "request_id", "value": _SAID.format("id")},
            {"tag": "http.url", "value": _SAID.format("path")},
            *({"tag": tag, "literal": {"value": "-"}} for tag in _CALLERS_WORDS),
        ],
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": TYPE + "envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "5s"},
                "service_name": "scorm-gateway",
                "sampler": {
                    "name": "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
                    "typed_config": {
                        "@type": TYPE
                        + "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
                        "sampling_percentage": {"numerator": round(ratio * _MILLION), "denominator": "MILLION"},
                    },
                },
            },
        },
    }


def cluster(endpoint: str) -> dict[str, Any]:
    """The collector at an origin that takes OTLP over gRPC."""
    url = urlsplit(endpoint)
    address = {"address": url.hostname, "port_value": url.port or {"http": 80, "https": 443}[url.scheme]}
    return {
        "name": "otlp",
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "otlp",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}],
        },
    }
