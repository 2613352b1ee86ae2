<#
.SYNOPSIS
    Installs the module HyperVRemediation on this computer and, if a group is named, the session configuration "Remediation".
.DESCRIPTION
    Copies the module to Program Files, in place of an earlier one. With -Group it registers the restricted (JEA) session
    configuration "Remediation", which only members of that group may use; that restarts WinRM, so run it at the console, not
    through a remote session. Run it again to update. To take it back: Unregister-PSSessionConfiguration Remediation, and delete
    the folder that it prints.
.EXAMPLE
    powershell -File .\Install.ps1
.EXAMPLE
    powershell -File .\Install.ps1 -Group 'CONTOSO\Hyper-V Remediation'
.EXAMPLE
    powershell -File .\Install.ps1 -Group 'CONTOSO\Hyper-V Remediation' -DomainController
#>
#Requires -RunAsAdministrator
#Requires -Version 5.1
[CmdletBinding()]
param(
    # Group whose members may use the session configuration "Remediation"; none: the module only.
    [ValidatePattern("^[^\\'`"*?]+\\[^\\'`"*?]+$")]
    [string] $Group,
    # This is a domain controller: its role has the directory commands and no others.
    [switch] $DomainController
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$version = (Import-PowerShellDataFile -LiteralPath "$PSScriptRoot\HyperVRemediation.psd1").ModuleVersion
# Not in a folder of its version: Windows PowerShell 5.1 looks for roles right below the module's folder, nowhere deeper. And
# what lies in such a folder from before would be loaded instead.
$target = "$env:ProgramFiles\WindowsPowerShell\Modules\HyperVRemediation"
New-Item -ItemType Directory -Path "$target\RoleCapabilities" -Force | Out-Null
Get-ChildItem -LiteralPath $target -Directory | Where-Object { $_.Name -match '^[0-9.]+$' } | Remove-Item -Recurse -Force
Copy-Item -LiteralPath "$PSScriptRoot\HyperVRemediation.psm1", "$PSScriptRoot\HyperVRemediation.psd1" -Destination $target -Force
Copy-Item -Path "$PSScriptRoot\RoleCapabilities\*.psrc" -Destination "$target\RoleCapabilities" -Force
Write-Output "Module HyperVRemediation $version is in $target"

if ($Group) {
    $name = if ($DomainController) { 'RemediationDirectory.pssc' } else { 'Remediation.pssc' }
    $file = "$target\$name"
    (Get-Content -LiteralPath "$PSScriptRoot\$name" -Raw).Replace("'GROUP'", "'$Group'") |
        Set-Content -LiteralPath $file -Encoding UTF8
    if (-not (Test-PSSessionConfigurationFile -Path $file)) { throw "$file is not a valid session configuration" }
    Register-PSSessionConfiguration -Name Remediation -Path $file -Force | Out-Null
    Write-Output "Session configuration Remediation is open to $Group; name it in site.yaml (endpoint.configuration)"
}
