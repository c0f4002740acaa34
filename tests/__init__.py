"""Tests, and the real parts that they start."""

import os

# Programs are started from processes that have gRPC servers and channels. Its own handling of forks, on by default,
# sets threads going in the new process before the program is there, and of hundreds a few end with SIGABRT.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
