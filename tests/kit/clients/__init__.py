"""One program per official client; `tests.kit.sdks` runs them."""
