using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Rosetta.Postgres.Wire;

/// <summary>The client's side of TLS, with libpq's rules about what is checked.</summary>
static class TlsClient
{
    public static async ValueTask<Stream> StartAsync(PgEndpoint endpoint, Stream stream, CancellationToken cancellationToken)
    {
        X509Certificate2Collection? roots = LoadRoots(endpoint);
        string? refusal = null;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = IPAddress.TryParse(endpoint.Host, out _) ? "" : endpoint.Host,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
            {
                refusal = Refusal(endpoint, roots, certificate, chain);
                return refusal is null;
            },
        };
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(options, cancellationToken);
            return tls;
        }
        catch (AuthenticationException e)
        {
            await tls.DisposeAsync();
            throw new PgConnectionException($"TLS with {endpoint} failed: {refusal ?? (e.InnerException ?? e).Message}", e);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    static X509Certificate2Collection? LoadRoots(PgEndpoint endpoint)
    {
        if (endpoint.RootCertificate is null || endpoint.SslMode is not (PgSslMode.Require or PgSslMode.VerifyCa or PgSslMode.VerifyFull))
            return null;
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(endpoint.RootCertificate);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new PgConnectionException($"The root certificate file '{endpoint.RootCertificate}' cannot be read: {e.Message}", e);
        }

        return roots.Count > 0
            ? roots
            : throw new PgConnectionException($"The root certificate file '{endpoint.RootCertificate}' contains no certificate in PEM form");
    }

    /// <summary>Why the certificate is not accepted, or null if it is.</summary>
    static string? Refusal(PgEndpoint endpoint, X509Certificate2Collection? roots, X509Certificate? presented, X509Chain? given)
    {
        bool verifyCa = endpoint.SslMode is PgSslMode.VerifyCa or PgSslMode.VerifyFull || roots is not null;
        if (!verifyCa)
            return null;
        if (presented is not X509Certificate2 certificate)
            return "the server presented no certificate";

        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        if (given is not null)
            chain.ChainPolicy.ExtraStore.AddRange(given.ChainPolicy.ExtraStore);
        if (roots is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        }

        if (!chain.Build(certificate))
        {
            string reasons = string.Join("; ", chain.ChainStatus.Select(s => s.StatusInformation.Trim()));
            return $"the server's certificate does not lead to a trusted root ({reasons}); name the CA's file as root certificate";
        }

        if (endpoint.SslMode == PgSslMode.VerifyFull && !certificate.MatchesHostname(endpoint.Host))
            return $"the server's certificate ({certificate.Subject}) is not made for the host '{endpoint.Host}'";
        return null;
    }
}
