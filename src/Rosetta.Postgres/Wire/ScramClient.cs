using System.Security.Cryptography;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), with channel binding tls-server-end-point (RFC 5929) where the server offers it.
/// PostgreSQL ignores the user name inside SCRAM and takes the one of the startup message.
/// </summary>
sealed class ScramClient
{
    public const string Mechanism = "SCRAM-SHA-256";
    public const string MechanismPlus = "SCRAM-SHA-256-PLUS";

    readonly string _password;
    readonly string _gs2Header;
    readonly byte[] _channelBinding;
    readonly string _clientFirstBare;
    readonly string _nonce;
    byte[] _serverSignature = [];

    /// <param name="plusOffered">Whether the server offers the variant with channel binding.</param>
    /// <param name="certificateHash">The binding data, null if there is no TLS or the certificate's hash is not defined.</param>
    public ScramClient(string password, bool plusOffered, byte[]? certificateHash, string? nonce = null)
    {
        _password = SaslPrep.Apply(password);
        UsesChannelBinding = plusOffered && certificateHash is not null;
        // 'y' tells the server that we would have bound the channel but it did not offer that, so that it notices a downgrade by a third party.
        _gs2Header = UsesChannelBinding ? "p=tls-server-end-point,," : certificateHash is not null ? "y,," : "n,,";
        _channelBinding = UsesChannelBinding ? certificateHash! : [];
        _nonce = nonce ?? Convert.ToBase64String(RandomNumberGenerator.GetBytes(18));
        _clientFirstBare = $"n=,r={_nonce}";
    }

    public bool UsesChannelBinding { get; }

    public string ClientFirst => _gs2Header + _clientFirstBare;

    /// <summary>Answers the server's first message.</summary>
    /// <exception cref="FormatException">The message is malformed or its nonce is not ours.</exception>
    public string ClientFinal(string serverFirst)
    {
        string nonce = Attribute(serverFirst, 'r');
        byte[] salt = Convert.FromBase64String(Attribute(serverFirst, 's'));
        if (!int.TryParse(Attribute(serverFirst, 'i'), out int iterations) || iterations < 1)
            throw new FormatException("SCRAM: the iteration count is not a positive number");
        if (!nonce.StartsWith(_nonce, StringComparison.Ordinal) || nonce.Length == _nonce.Length)
            throw new FormatException("SCRAM: the server's nonce does not continue ours");

        byte[] binding = [.. Encoding.ASCII.GetBytes(_gs2Header), .. _channelBinding];
        string withoutProof = $"c={Convert.ToBase64String(binding)},r={nonce}";
        byte[] authMessage = Encoding.UTF8.GetBytes($"{_clientFirstBare},{serverFirst},{withoutProof}");

        byte[] salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(_password), salt, iterations, HashAlgorithmName.SHA256, 32);
        byte[] proof = HMACSHA256.HashData(salted, "Client Key"u8);
        byte[] signature = HMACSHA256.HashData(SHA256.HashData(proof), authMessage);
        for (int i = 0; i < proof.Length; i++)
            proof[i] ^= signature[i];
        _serverSignature = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), authMessage);
        return $"{withoutProof},p={Convert.ToBase64String(proof)}";
    }

    /// <summary>True if the server has proved that it knows the password's verifier.</summary>
    public bool IsServerGenuine(string serverFinal) =>
        _serverSignature.Length > 0
        && serverFinal.StartsWith("v=", StringComparison.Ordinal)
        && CryptographicOperations.FixedTimeEquals(Convert.FromBase64String(Attribute(serverFinal, 'v')), _serverSignature);

    static string Attribute(string message, char name)
    {
        foreach (string part in message.Split(','))
            if (part.Length > 2 && part[0] == name && part[1] == '=')
                return part[2..];
        throw new FormatException($"SCRAM: the server's message has no attribute '{name}'");
    }
}
