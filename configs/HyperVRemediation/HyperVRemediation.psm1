# What Hyper-V remediation needs and no cmdlet does. Constant source, parameters only, a few lines each: read it before you
# install it. Functions of a module run in full language also where the session that calls them may not (JEA).
# Many reads are sent in one pipeline, which -ErrorAction Stop would end for those behind it as well: a read has none, and whoever
# asked takes no answer that an error came with.

Set-StrictMode -Version Latest

function Get-RemediationModule {
    # Which module this is: its version, and the SHA-256 of this very file. Get-FileHash is a function of a module, which no
    # restricted session loads.
    [CmdletBinding()]
    param()
    $hash = [Security.Cryptography.SHA256CryptoServiceProvider]::new().ComputeHash([IO.File]::ReadAllBytes($PSCommandPath))
    [pscustomobject]@{
        Version = [string]$MyInvocation.MyCommand.Module.Version
        Hash    = [BitConverter]::ToString($hash).Replace('-', '')
    }
}

function Get-RemediationTicket {
    # The Kerberos tickets of LocalSystem (logon id 0x3e7) as klist prints them, with what its dates are written in: the account's
    # culture, as programs have it. That of a remote session is the caller's.
    [CmdletBinding()]
    param()
    $now = [DateTimeOffset]::Now
    $account = 'HKEY_CURRENT_USER\Control Panel\International'
    [pscustomobject]@{
        Lines            = [string[]]@(& "$env:SystemRoot\System32\klist.exe" -li 0x3e7)
        Culture          = [string][Microsoft.Win32.Registry]::GetValue($account, 'LocaleName', '')
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
    $report = Hyper-V\Compare-VM -Name $Name -DestinationHost $DestinationHost
    if ($null -eq $report) { return }
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
    FailoverClusters\Get-ClusterResourceType -Name 'Virtual Machine' |
        FailoverClusters\Get-ClusterParameter -Name 'MigrationExcludeNetworks', 'MigrationNetworkOrder' |
        ForEach-Object { $found[$_.Name] = [string]$_.Value }
    [pscustomobject]@{ Exclude = [string]$found['MigrationExcludeNetworks']; Order = [string]$found['MigrationNetworkOrder'] }
}

function Get-RemediationClusterLog {
    # This node's cluster log of the last minutes, its newest end, packed. Get-ClusterLog only writes files: into a directory of
    # its own here, which is removed again, and the answer says whether it was.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [ValidateRange(1, 1440)] [uint32] $Minutes,
        [Parameter(Mandatory)] [ValidateRange(1, 64)] [uint32] $Megabytes
    )
    $directory = "$env:SystemRoot\Temp\HyperVRemediation-$([guid]::NewGuid())"
    $null = Microsoft.PowerShell.Management\New-Item -ItemType Directory -Path $directory -ErrorAction Stop
    try {
        $file = FailoverClusters\Get-ClusterLog -Node $env:COMPUTERNAME -UseLocalTime -TimeSpan $Minutes -Destination $directory -ErrorAction Stop
        $most = [int64]$Megabytes * 1024 * 1024
        $reader = [IO.File]::Open($file.FullName, 'Open', 'Read', 'ReadWrite')
        $packed = [IO.MemoryStream]::new()
        try {
            # Now: of a file that is gone no length can be had.
            $length = [int64]$reader.Length
            if ($length -gt $most) { $null = $reader.Seek(-$most, 'End') }
            $writer = [IO.Compression.GZipStream]::new($packed, [IO.Compression.CompressionMode]::Compress)
            $reader.CopyTo($writer)
            $writer.Dispose()
        } finally { $reader.Dispose() }
    } finally { Microsoft.PowerShell.Management\Remove-Item -LiteralPath $directory -Recurse -Force -ErrorAction SilentlyContinue }
    [pscustomobject]@{
        Path    = [string]$file.FullName
        Length  = $length
        Cut     = [bool]($length -gt $most)
        Content = [byte[]]$packed.ToArray()
        Removed = -not (Microsoft.PowerShell.Management\Test-Path -LiteralPath $directory)
    }
}

function Get-RemediationShieldedCertificate {
    # Which certificates open this host's virtual TPMs. Never a key: only whether there is one, and whether it may leave.
    [CmdletBinding()]
    param()
    $store = 'Cert:\LocalMachine\Shielded VM Local Certificates'
    if (-not (Microsoft.PowerShell.Management\Test-Path -LiteralPath $store)) { return }
    foreach ($each in Microsoft.PowerShell.Management\Get-ChildItem -LiteralPath $store) {
        $exportable = $false
        try {
            $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($each)
            $exportable = if ($key -is [Security.Cryptography.RSACng]) {
                [bool]($key.Key.ExportPolicy -band [Security.Cryptography.CngExportPolicies]::AllowExport)
            } elseif ($null -ne $key) {
                [bool]$key.CspKeyContainerInfo.Exportable
            }
        } catch {
            Write-Verbose "The key of $($each.Thumbprint) does not say whether it may leave."
        }
        [pscustomobject]@{
            Thumbprint    = [string]$each.Thumbprint
            Subject       = [string]$each.Subject
            NotAfter      = $each.NotAfter.ToUniversalTime()
            HasPrivateKey = [bool]$each.HasPrivateKey
            Exportable    = [bool]$exportable
        }
    }
}

function Get-RemediationKeyProtector {
    # Who owns the key protector of a virtual machine: the thumbprints of the owner's signing and encryption certificate.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[^*?\[\]`]+$')] [string] $Name)
    $bytes = [byte[]](Hyper-V\Get-VMKeyProtector -VMName $Name)
    # Without a protector a few bytes come back.
    if ($null -eq $bytes -or $bytes.Length -lt 16) { return }
    if (-not (Microsoft.PowerShell.Core\Import-Module -Name HgsClient -PassThru)) { return }
    $owner = (HgsClient\ConvertTo-HgsKeyProtector -Bytes $bytes).Owner
    [pscustomobject]@{
        Signing    = [string]([Security.Cryptography.X509Certificates.X509Certificate2]$owner.SigningCertificate).Thumbprint
        Encryption = [string]([Security.Cryptography.X509Certificates.X509Certificate2]$owner.EncryptionCertificate).Thumbprint
    }
}

function Export-RemediationShieldedCertificate {
    # One certificate of that store with its private key, as a PFX in a SecureString. No file is written, and no text comes back.
    # The thumbprint is the PFX's password: no secret, but Windows tells none from an empty one, so that there has to be one. What
    # fails ends it: a failed call of .NET alone would go on, to an empty SecureString.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string] $Thumbprint)
    $ErrorActionPreference = 'Stop'
    $path = "Cert:\LocalMachine\Shielded VM Local Certificates\$Thumbprint"
    $certificate = Microsoft.PowerShell.Management\Get-Item -LiteralPath $path -ErrorAction Stop
    if (-not $certificate.HasPrivateKey) { throw "The certificate $Thumbprint has no private key here." }
    $bytes = $certificate.Export([Security.Cryptography.X509Certificates.X509ContentType]::Pfx, $Thumbprint)
    $secret = [Security.SecureString]::new()
    foreach ($each in [Convert]::ToBase64String($bytes).ToCharArray()) { $secret.AppendChar($each) }
    [Array]::Clear($bytes, 0, $bytes.Length)
    $secret.MakeReadOnly()
    $secret
}

function Import-RemediationShieldedCertificate {
    # Puts such a certificate and its private key into that store. The key cannot leave this host again.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string] $Thumbprint,
        [Parameter(Mandatory)] [SecureString] $Pfx
    )
    $pointer = [Runtime.InteropServices.Marshal]::SecureStringToGlobalAllocUnicode($Pfx)
    try {
        $bytes = [Convert]::FromBase64String([Runtime.InteropServices.Marshal]::PtrToStringUni($pointer))
    } finally {
        [Runtime.InteropServices.Marshal]::ZeroFreeGlobalAllocUnicode($pointer)
    }
    try {
        # Looked at first: without PersistKeySet its key is gone with the object.
        $seen = [Security.Cryptography.X509Certificates.X509Certificate2]::new($bytes, $Thumbprint, 'MachineKeySet')
        $right = $seen.Thumbprint -eq $Thumbprint -and $seen.HasPrivateKey
        $seen.Dispose()
        if (-not $right) { throw "That is not the certificate $Thumbprint with its private key." }
        $store = [Security.Cryptography.X509Certificates.X509Store]::new('Shielded VM Local Certificates', 'LocalMachine')
        $store.Open('ReadWrite')
        try {
            $held = @($store.Certificates | Where-Object { $_.Thumbprint -eq $Thumbprint })
            if (@($held | Where-Object { $_.HasPrivateKey })) { return }
            if ($held) { throw "The certificate $Thumbprint is here without its private key: a person decides." }
            $flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet'
            $store.Add([Security.Cryptography.X509Certificates.X509Certificate2]::new($bytes, $Thumbprint, $flags))
        } finally {
            $store.Close()
        }
    } finally {
        [Array]::Clear($bytes, 0, $bytes.Length)
    }
}

function Remove-RemediationShieldedCertificate {
    # Takes an import back: exactly this certificate of that store, and its private key. Not while a virtual machine of this host
    # is sealed to it, as its owner's or another guardian's: that one would never start here again.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string] $Thumbprint)
    Microsoft.PowerShell.Core\Import-Module -Name HgsClient -ErrorAction Stop
    foreach ($machine in Hyper-V\Get-VM -ErrorAction Stop) {
        $bytes = [byte[]](Hyper-V\Get-VMKeyProtector -VM $machine -ErrorAction Stop)
        if ($null -eq $bytes -or $bytes.Length -lt 16) { continue }
        $protector = HgsClient\ConvertTo-HgsKeyProtector -Bytes $bytes -ErrorAction Stop
        foreach ($guardian in @($protector.Owner) + @($protector.Guardians | Where-Object { $_ })) {
            foreach ($each in $guardian.SigningCertificate, $guardian.EncryptionCertificate) {
                if (([Security.Cryptography.X509Certificates.X509Certificate2]$each).Thumbprint -eq $Thumbprint) {
                    throw "The virtual machine $($machine.Name) of this host is sealed to the certificate $Thumbprint and needs it."
                }
            }
        }
    }
    $path = "Cert:\LocalMachine\Shielded VM Local Certificates\$Thumbprint"
    Microsoft.PowerShell.Management\Remove-Item -LiteralPath $path -DeleteKey -ErrorAction Stop
}

function Get-RemediationPatchLevel {
    # Windows' build and update revision, and the processor's microcode: only the registry has them.
    [CmdletBinding()]
    param()
    $windows = Microsoft.PowerShell.Management\Get-Item -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $processor = Microsoft.PowerShell.Management\Get-Item -LiteralPath 'HKLM:\HARDWARE\DESCRIPTION\System\CentralProcessor\0'
    [pscustomobject]@{
        Build     = [string]$windows.GetValue('CurrentBuildNumber')
        Revision  = [int]$windows.GetValue('UBR')
        Microcode = [byte[]]$processor.GetValue('Update Revision')
    }
}

function Get-RemediationSpeculation {
    # What Get-SpeculationControlSettings shows, if its module is installed; nothing if it is not. Changes nothing.
    [CmdletBinding()]
    param()
    if (-not (Microsoft.PowerShell.Core\Get-Module -ListAvailable -Name SpeculationControl)) { return }
    if (-not (Microsoft.PowerShell.Core\Import-Module -Name SpeculationControl -PassThru)) { return }
    $settings = SpeculationControl\Get-SpeculationControlSettings -Quiet
    [pscustomobject]@{ Settings = [string[]]@($settings.PSObject.Properties | ForEach-Object { "$($_.Name) $($_.Value)" }) }
}

function Get-RemediationName {
    # What programs on this host get for names, hosts file and cache included: the addresses, or the id of Resolve-DnsName's error.
    # Once a DNS server does not answer at all, nothing more is asked: each name would take as long.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9._-]+$')] [string[]] $Name)
    foreach ($each in $Name) {
        $records = @(DnsClient\Resolve-DnsName -Name $each -ErrorAction SilentlyContinue -ErrorVariable failed)
        $problem = if ($failed) { [string]$failed[0].FullyQualifiedErrorId } else { '' }
        [pscustomobject]@{
            Name      = $each
            Addresses = [string[]]@($records | Where-Object { $_.PSObject.Properties['IPAddress'] } | ForEach-Object { $_.IPAddress })
            Error     = $problem
        }
        if ($problem -like 'ERROR_TIMEOUT*') { break }
    }
}

function Get-RemediationWinRM {
    # WinRM as other hosts use it: listeners, TrustedHosts and whether a policy sets it, WinHTTP's proxy as the registry has it.
    [CmdletBinding()]
    param()
    $listeners = foreach ($each in Microsoft.WSMan.Management\Get-WSManInstance -ResourceURI winrm/config/Listener -Enumerate) {
        "$($each.Transport) $($each.Enabled)"
    }
    $trusted = Microsoft.PowerShell.Management\Get-Item -Path WSMan:\localhost\Client\TrustedHosts
    $key = 'HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections'
    $settings = [Microsoft.Win32.Registry]::GetValue($key, 'WinHttpSettings', $null)
    [pscustomobject]@{
        Listeners            = [string[]]@($listeners)
        TrustedHosts         = [string]$trusted.Value
        TrustedHostsByPolicy = [bool]([string]$trusted.SourceOfValue -eq 'GPO')
        WinHttp              = [byte[]]$settings
    }
}

function Add-RemediationListener {
    # The HTTP listener on 5985, for every address. winrm quickconfig does more than that.
    [CmdletBinding()]
    param()
    $selectors = @{ Transport = 'HTTP'; Address = '*' }
    $null = Microsoft.WSMan.Management\New-WSManInstance -ResourceURI winrm/config/Listener -SelectorSet $selectors -ErrorAction Stop
}

function Remove-RemediationListener {
    # Takes that listener away again.
    [CmdletBinding()]
    param()
    $selectors = @{ Transport = 'HTTP'; Address = '*' }
    Microsoft.WSMan.Management\Remove-WSManInstance -ResourceURI winrm/config/Listener -SelectorSet $selectors -ErrorAction Stop
}

function Add-RemediationTrustedHost {
    # Adds one exact name to TrustedHosts. Without -Concatenate the list would be replaced.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9.-]+$')] [string] $Name)
    $path = 'WSMan:\localhost\Client\TrustedHosts'
    Microsoft.PowerShell.Management\Set-Item -Path $path -Value $Name -Concatenate -Force -ErrorAction Stop
}

function Remove-RemediationTrustedHost {
    # Takes one exact name off TrustedHosts and leaves the others as they are.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9.-]+$')] [string] $Name)
    $path = 'WSMan:\localhost\Client\TrustedHosts'
    $names = [string](Microsoft.PowerShell.Management\Get-Item -Path $path -ErrorAction Stop).Value -split ','
    $kept = @($names | Where-Object { $_.Trim() -and $_.Trim() -ne $Name }) -join ','
    Microsoft.PowerShell.Management\Set-Item -Path $path -Value $kept -Force -ErrorAction Stop
}

function Set-RemediationProxyBypass {
    # Puts one exact name on WinHTTP's bypass list, or takes it off; proxy and other names stay. netsh sets both together.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9.-]+$')] [string] $Name,
        [Parameter(Mandatory)] [Boolean] $Bypass
    )
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections'
    $data = [byte[]](Microsoft.PowerShell.Management\Get-Item -LiteralPath $key -ErrorAction Stop).GetValue('WinHttpSettings')
    $length = [BitConverter]::ToInt32($data, 12)
    $server = [Text.Encoding]::ASCII.GetString($data, 16, $length)
    $list = [Text.Encoding]::ASCII.GetString($data, 20 + $length, [BitConverter]::ToInt32($data, 16 + $length))
    $names = @($list -split ';' | Where-Object { $_ -and $_ -ne $Name }) + @(if ($Bypass) { $Name })
    $arguments = @('winhttp', 'set', 'proxy', "proxy-server=$server") + @(if ($names) { "bypass-list=$($names -join ';')" })
    $lines = [string[]]@(& "$env:SystemRoot\System32\netsh.exe" @arguments)
    if ($LASTEXITCODE -ne 0) { throw "netsh winhttp set proxy ended with $LASTEXITCODE : $lines" }
}

function Get-RemediationDiskChain {
    # Every disk file of a virtual machine and those below it: Get-VHD by ParentPath, which no cmdlet follows. Reads only.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [ValidatePattern('^[^*?\[\]`]+$')] [string] $Name)
    foreach ($drive in Hyper-V\Get-VMHardDiskDrive -VMName $Name) {
        if ($null -ne $drive.DiskNumber) { continue }
        $path = [string]$drive.Path
        for ($depth = 0; $path -and $depth -lt 64; $depth++) {
            $disk = Hyper-V\Get-VHD -Path $path -ErrorAction SilentlyContinue
            $volume = Storage\Get-Volume -FilePath $path -ErrorAction SilentlyContinue
            $parent = if ($disk) { [string]$disk.ParentPath } else { '' }
            [pscustomobject]@{
                Path       = $path
                ParentPath = $parent
                Readable   = [bool]$disk
                FileSize   = if ($disk) { [long]$disk.FileSize } else { [long]0 }
                Free       = if ($volume) { [long]$volume.SizeRemaining } else { [long]0 }
            }
            $path = $parent
        }
    }
}

function Get-RemediationVssWriter {
    # The writers of the Volume Shadow Copy Service as vssadmin prints them, in this host's language.
    [CmdletBinding()]
    param()
    $lines = [string[]]@(& "$env:SystemRoot\System32\vssadmin.exe" list writers)
    if ($LASTEXITCODE -ne 0) { throw "vssadmin list writers ended with $LASTEXITCODE : $lines" }
    [pscustomobject]@{ Lines = $lines }
}

Export-ModuleMember -Function @(
    'Get-RemediationModule', 'Get-RemediationTicket', 'Clear-RemediationTicket', 'Set-RemediationClusterLimit',
    'Compare-RemediationVM', 'Get-RemediationClusterMigration', 'Get-RemediationClusterLog',
    'Get-RemediationShieldedCertificate', 'Get-RemediationKeyProtector', 'Export-RemediationShieldedCertificate',
    'Import-RemediationShieldedCertificate', 'Remove-RemediationShieldedCertificate', 'Get-RemediationPatchLevel',
    'Get-RemediationSpeculation', 'Get-RemediationName', 'Get-RemediationWinRM', 'Add-RemediationListener',
    'Remove-RemediationListener', 'Add-RemediationTrustedHost', 'Remove-RemediationTrustedHost',
    'Set-RemediationProxyBypass', 'Get-RemediationDiskChain', 'Get-RemediationVssWriter'
)
