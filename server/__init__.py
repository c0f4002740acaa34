"""The open SCORM and xAPI platform: gRPC core behind Envoy."""

VERSION = "1.5.0"
