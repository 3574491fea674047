using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>The answer to AuthenticationMD5Password: 'md5' + md5(md5(password + user) + salt), in hex.</summary>
static class Md5Password
{
    [SuppressMessage("Security", "CA5351", Justification = "PostgreSQL's md5 authentication is defined so; the server chooses it.")]
    public static string Answer(string user, string password, ReadOnlySpan<byte> salt)
    {
        string inner = Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(password + user)));
        return "md5" + Convert.ToHexStringLower(MD5.HashData([.. Encoding.ASCII.GetBytes(inner), .. salt]));
    }
}
