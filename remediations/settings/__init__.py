"""What a site configures: `site.yaml`, `policy.yaml`, environment variables, and secrets by reference."""

from remediations.settings.directory import Configuration, check, config_directory, load, packaged, policy_file, this_machine
from remediations.settings.environment import Settings
from remediations.settings.policy import load_policy
from remediations.settings.problem import ConfigError, Problem
from remediations.settings.secrets import SecretUnavailable, resolve
from remediations.settings.site import load_site

__all__ = [
    "ConfigError",
    "Configuration",
    "Problem",
    "SecretUnavailable",
    "Settings",
    "check",
    "config_directory",
    "load",
    "load_policy",
    "load_site",
    "packaged",
    "policy_file",
    "resolve",
    "this_machine",
]
