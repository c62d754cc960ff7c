"""Failing assertions of the shared suite show their values, as those of test files do."""

import pytest

pytest.register_assert_rewrite("tests.synth.conformance")
