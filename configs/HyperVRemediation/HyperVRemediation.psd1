@{
    RootModule        = 'HyperVRemediation.psm1'
    ModuleVersion     = '1.0.0'
    GUID              = '7a5d2c5e-1f0b-4e0c-9d53-6a8f0f3b2c41'
    Author            = 'Hyper-V remediation'
    Description       = 'What Hyper-V live-migration remediation needs and no cmdlet does.'
    PowerShellVersion = '5.1'
    FunctionsToExport = @(
        'Get-RemediationModule'
        'Get-RemediationDiskChain'
        'Get-RemediationVssWriter'
        'Get-RemediationTicket'
        'Clear-RemediationTicket'
        'Set-RemediationClusterLimit'
        'Compare-RemediationVM'
        'Get-RemediationShieldedCertificate'
        'Get-RemediationKeyProtector'
        'Export-RemediationShieldedCertificate'
        'Import-RemediationShieldedCertificate'
        'Remove-RemediationShieldedCertificate'
        'Get-RemediationClusterMigration'
        'Get-RemediationClusterLog'
        'Get-RemediationPatchLevel'
        'Get-RemediationSpeculation'
        'Get-RemediationName'
        'Get-RemediationWinRM'
        'Add-RemediationListener'
        'Remove-RemediationListener'
        'Add-RemediationTrustedHost'
        'Remove-RemediationTrustedHost'
        'Set-RemediationProxyBypass'
    )
    CmdletsToExport   = @()
    VariablesToExport = @()
    AliasesToExport   = @()
}
