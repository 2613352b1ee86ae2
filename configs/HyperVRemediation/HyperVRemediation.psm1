# What Hyper-V remediation needs and no cmdlet does. Constant source, parameters only, a few lines each: read it before you
# install it. Functions of a module run in full language also where the session that calls them may not (JEA).

Set-StrictMode -Version Latest

function Get-RemediationModule {
    # Which module this is: its version, and the SHA-256 of this very file.
    [CmdletBinding()]
    param()
    [pscustomobject]@{
        Version = [string]$MyInvocation.MyCommand.Module.Version
        Hash    = (Microsoft.PowerShell.Utility\Get-FileHash -LiteralPath $PSCommandPath -Algorithm SHA256).Hash
    }
}

function Get-RemediationTicket {
    # The Kerberos tickets of LocalSystem (logon id 0x3e7) as klist prints them, with what its dates are written in.
    [CmdletBinding()]
    param()
    $now = [DateTimeOffset]::Now
    [pscustomobject]@{
        Lines            = [string[]]@(& "$env:SystemRoot\System32\klist.exe" -li 0x3e7)
        Culture          = [cultureinfo]::CurrentCulture.Name
        UtcOffsetMinutes = [int]$now.Offset.TotalMinutes
        Now              = $now.UtcDateTime
    }
}

function Clear-RemediationTicket {
    # Purges the Kerberos tickets of LocalSystem; Windows asks for new ones when it needs them.
    [CmdletBinding()]
    param()
    $lines = [string[]]@(& "$env:SystemRoot\System32\klist.exe" -li 0x3e7 purge)
    if ($LASTEXITCODE -ne 0) { throw "klist -li 0x3e7 purge ended with $LASTEXITCODE : $lines" }
    [pscustomobject]@{ Lines = $lines }
}

function Set-RemediationClusterLimit {
    # The cluster's own limit of live migrations at a time on each node: a property, which no cmdlet assigns.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidateRange(1, 64)] [uint32] $Maximum)
    (FailoverClusters\Get-Cluster -ErrorAction Stop).MaximumParallelMigrations = $Maximum
}

function Compare-RemediationVM {
    # Compare-VM, its report flattened: one object an incompatibility. Nested objects do not survive the way back.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [ValidatePattern('^[^*?\[\]`]+$')] [string] $Name,
        [Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9.-]+$')] [string] $DestinationHost
    )
    $report = Hyper-V\Compare-VM -Name $Name -DestinationHost $DestinationHost -ErrorAction Stop
    foreach ($each in $report.Incompatibilities) {
        [pscustomobject]@{ MessageId = [long]$each.MessageId; Message = [string]$each.Message; Source = [string]$each.Source }
    }
}

function Get-RemediationClusterMigration {
    # Which networks the cluster keeps live migrations off, and the order of the others: parameters of a resource type, which
    # only a pipeline reads. Ids of Get-ClusterNetwork, separated by semicolons.
    [CmdletBinding()]
    param()
    $found = @{}
    FailoverClusters\Get-ClusterResourceType -Name 'Virtual Machine' -ErrorAction Stop |
        FailoverClusters\Get-ClusterParameter -Name MigrationExcludeNetworks, MigrationNetworkOrder -ErrorAction Stop |
        ForEach-Object { $found[$_.Name] = [string]$_.Value }
    [pscustomobject]@{ Exclude = [string]$found['MigrationExcludeNetworks']; Order = [string]$found['MigrationNetworkOrder'] }
}

function Get-RemediationShieldedCertificate {
    # Which certificates open this host's virtual TPMs. Never a key: only whether there is one.
    [CmdletBinding()]
    param()
    $store = 'Cert:\LocalMachine\Shielded VM Local Certificates'
    if (-not (Microsoft.PowerShell.Management\Test-Path -LiteralPath $store)) { return }
    foreach ($each in Microsoft.PowerShell.Management\Get-ChildItem -LiteralPath $store -ErrorAction Stop) {
        [pscustomobject]@{
            Thumbprint    = [string]$each.Thumbprint
            Subject       = [string]$each.Subject
            NotAfter      = $each.NotAfter.ToUniversalTime()
            HasPrivateKey = [bool]$each.HasPrivateKey
        }
    }
}

Export-ModuleMember -Function Get-RemediationModule, Get-RemediationTicket, Clear-RemediationTicket,
    Set-RemediationClusterLimit, Compare-RemediationVM, Get-RemediationClusterMigration, Get-RemediationShieldedCertificate
