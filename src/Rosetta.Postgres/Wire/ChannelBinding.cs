using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// tls-server-end-point of RFC 5929: the hash of the server's certificate with the hash of its signature algorithm, SHA-256 in place of MD5 and SHA-1.
/// </summary>
static class ChannelBinding
{
    /// <summary>The binding data; null without TLS, and for signature algorithms for which the RFC defines none.</summary>
    public static byte[]? CertificateHash(Stream stream)
    {
        if (stream is not SslStream { RemoteCertificate: X509Certificate2 certificate })
            return null;
        byte[] raw = certificate.RawData;
        return certificate.SignatureAlgorithm.Value switch
        {
            "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1" => SHA256.HashData(raw),
            "1.2.840.113549.1.1.11" or "1.2.840.10045.4.3.2" => SHA256.HashData(raw),
            "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => SHA384.HashData(raw),
            "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => SHA512.HashData(raw),
            _ => null,
        };
    }
}
