using System.Security.Cryptography;
using System.Text;

namespace Rosetta.Store.Secrets;

/// <summary>
/// Encrypts and decrypts the secrets kept in the config database, with AES-256-GCM.
/// An envelope is <c>rosetta:v1:&lt;key id&gt;:&lt;base64 of nonce, tag, ciphertext&gt;</c>. The place where it is stored ("sources.pg_password") is
/// authenticated with it, so an envelope copied into another kind of field does not open.
/// Text without the prefix is a secret written by hand with SQL: it is taken as it is, and encrypted at the next start of a node.
/// </summary>
public sealed class SecretProtector
{
    const string Prefix = "rosetta:v1:";
    const int NonceLength = 12;
    const int TagLength = 16;

    readonly DerivedKey _key;

    internal SecretProtector(DerivedKey key) => _key = key;

    /// <summary>Names the key in ciphertexts and log lines; says nothing about it.</summary>
    public string KeyId => _key.Id;

    public static bool IsProtected(string stored)
    {
        ArgumentNullException.ThrowIfNull(stored);
        return stored.StartsWith(Prefix, StringComparison.Ordinal);
    }

    /// <summary>Encrypts; two calls never give the same envelope.</summary>
    public string Protect(string secret, string place)
    {
        ArgumentNullException.ThrowIfNull(secret);
        ArgumentNullException.ThrowIfNull(place);
        var plain = Encoding.UTF8.GetBytes(secret);
        var sealedBytes = new byte[NonceLength + TagLength + plain.Length];
        var nonce = sealedBytes.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key.Encryption, TagLength);
        aes.Encrypt(nonce, plain, sealedBytes.AsSpan(NonceLength + TagLength), sealedBytes.AsSpan(NonceLength, TagLength), Encoding.UTF8.GetBytes(place));
        return $"{Prefix}{_key.Id}:{Convert.ToBase64String(sealedBytes)}";
    }

    /// <summary>Opens an envelope, or gives back what is none.</summary>
    /// <exception cref="SecretKeyException">Encrypted with another key, damaged, or moved from another field.</exception>
    public string Unprotect(string stored, string place)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(place);
        if (!IsProtected(stored)) return stored;

        var parts = stored[Prefix.Length..].Split(':');
        if (parts.Length != 2) throw Damaged(place, null);
        if (parts[0] != _key.Id)
        {
            throw new SecretKeyException(
                $"The secret in {place} was encrypted with key {parts[0]}, and SECRET_KEY is key {_key.Id}. Start with the SECRET_KEY it was written with, "
                + "or enter the secret again.");
        }

        try
        {
            var bytes = Convert.FromBase64String(parts[1]);
            if (bytes.Length < NonceLength + TagLength) throw Damaged(place, null);
            var plain = new byte[bytes.Length - NonceLength - TagLength];
            using var aes = new AesGcm(_key.Encryption, TagLength);
            aes.Decrypt(
                bytes.AsSpan(0, NonceLength), bytes.AsSpan(NonceLength + TagLength), bytes.AsSpan(NonceLength, TagLength), plain, Encoding.UTF8.GetBytes(place));
            return Encoding.UTF8.GetString(plain);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            throw Damaged(place, e);
        }
    }

    static SecretKeyException Damaged(string place, Exception? inner) =>
        new($"The secret in {place} is damaged or was copied from another field. Enter it again.", inner);
}
