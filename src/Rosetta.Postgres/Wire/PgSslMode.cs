namespace Rosetta.Postgres.Wire;

/// <summary>How a connection uses TLS; the meanings are those of libpq's <c>sslmode</c>.</summary>
public enum PgSslMode
{
    /// <summary>Never TLS.</summary>
    Disable,

    /// <summary>Plain first; TLS only when the server's pg_hba.conf refuses a plain connection.</summary>
    Allow,

    /// <summary>TLS when the server offers it, plain otherwise. The certificate is not checked.</summary>
    Prefer,

    /// <summary>TLS or nothing. The certificate is checked (as <see cref="VerifyCa"/>) only when a root certificate is configured.</summary>
    Require,

    /// <summary>TLS, and the certificate must lead to a trusted root.</summary>
    VerifyCa,

    /// <summary>TLS, a trusted root, and the certificate must be made for the host we connect to.</summary>
    VerifyFull,
}

/// <summary>Conversion between <see cref="PgSslMode"/> and the spelling users of PostgreSQL know.</summary>
public static class PgSslModes
{
    /// <summary>The accepted spellings, for messages.</summary>
    public const string Allowed = "disable, allow, prefer, require, verify-ca, verify-full";

    /// <summary>Parses libpq's spelling, in any letter case.</summary>
    public static bool TryParse(string? text, out PgSslMode mode)
    {
        (bool known, mode) = text?.Trim().ToLowerInvariant() switch
        {
            "disable" => (true, PgSslMode.Disable),
            "allow" => (true, PgSslMode.Allow),
            "prefer" => (true, PgSslMode.Prefer),
            "require" => (true, PgSslMode.Require),
            "verify-ca" => (true, PgSslMode.VerifyCa),
            "verify-full" => (true, PgSslMode.VerifyFull),
            _ => (false, PgSslMode.Prefer),
        };
        return known;
    }

    /// <summary>libpq's spelling.</summary>
    public static string ToText(this PgSslMode mode) => mode switch
    {
        PgSslMode.Disable => "disable",
        PgSslMode.Allow => "allow",
        PgSslMode.Prefer => "prefer",
        PgSslMode.Require => "require",
        PgSslMode.VerifyCa => "verify-ca",
        _ => "verify-full",
    };
}
