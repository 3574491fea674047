using System.Security.Cryptography;
using System.Text;

namespace Rosetta.Store.Secrets;

/// <summary>
/// What is derived from a SECRET_KEY for one installation: PBKDF2-SHA-512 salted with the installation's uuid stretches it,
/// HKDF then gives an encryption key, a short key id (names the key in every ciphertext) and a fingerprint (proves the key, reveals nothing of it).
/// </summary>
sealed class DerivedKey
{
    /// <summary>OWASP's figure for PBKDF2-HMAC-SHA512 (2023). Paid once per start of a node.</summary>
    const int Iterations = 210_000;

    public const int MinimumLength = 16;

    DerivedKey(byte[] encryption, string id, string fingerprint) => (Encryption, Id, Fingerprint) = (encryption, id, fingerprint);

    public byte[] Encryption { get; }

    public string Id { get; }

    public string Fingerprint { get; }

    /// <exception cref="SecretKeyException">The key is too short.</exception>
    public static DerivedKey From(string secretKey, Guid installation)
    {
        if (secretKey.Length < MinimumLength)
            throw new SecretKeyException($"SECRET_KEY must have at least {MinimumLength} characters; it has {secretKey.Length}.");
        var master = Rfc2898DeriveBytes.Pbkdf2(
            Encoding.UTF8.GetBytes(secretKey), installation.ToByteArray(bigEndian: true), Iterations, HashAlgorithmName.SHA512, 32);
        return new DerivedKey(Expand(master, "encryption", 32), Hex(Expand(master, "key id", 4)), Hex(Expand(master, "fingerprint", 32)));
    }

    static byte[] Expand(byte[] master, string purpose, int length) =>
        HKDF.Expand(HashAlgorithmName.SHA256, master, length, Encoding.UTF8.GetBytes("rosetta v1 " + purpose));

    static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
