using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Rosetta.Testing.Servers;

/// <summary>Writes a self-signed certificate for localhost and 127.0.0.1 where PostgreSQL looks for it.</summary>
static class ServerCertificate
{
    public static async Task WriteAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        // A CA of its own, so that a client may name the file as root certificate and verify the chain fully.
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = DateTimeOffset.UtcNow;
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));

        await File.WriteAllTextAsync(Path.Combine(dataDirectory, "server.crt"), certificate.ExportCertificatePem(), cancellationToken);
        await WriteKeyAsync(Path.Combine(dataDirectory, "server.key"), key.ExportPkcs8PrivateKeyPem(), cancellationToken);
    }

    // PostgreSQL refuses a key others may read, and one that belongs to someone else.
    static async Task WriteKeyAsync(string path, string pem, CancellationToken cancellationToken)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite
        };
        await using (var writer = new StreamWriter(path, options))
            await writer.WriteAsync(pem.AsMemory(), cancellationToken);
        await ServerAccount.OwnAsync(path, cancellationToken);
    }
}
