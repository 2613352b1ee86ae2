"""Simulated Windows hosts that speak WS-Management and PowerShell Remoting on loopback. An opponent, not an accomplice."""
