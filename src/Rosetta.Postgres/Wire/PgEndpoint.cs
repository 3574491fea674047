using System.Text;
using Npgsql;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// Where a PostgreSQL database is and who we are there. A host that starts with '/' is the directory of a Unix socket; TLS is not used on one.
/// The text form leaves the password out.
/// </summary>
public sealed record PgEndpoint
{
    static readonly Dictionary<string, string> NoParameters = [];

    /// <summary>Host name, address, or (starting with '/') directory of the server's Unix socket.</summary>
    public required string Host { get; init; }

    public int Port { get; init; } = 5432;

    public required string Database { get; init; }

    public required string User { get; init; }

    public string? Password { get; init; }

    public PgSslMode SslMode { get; init; } = PgSslMode.Prefer;

    /// <summary>PEM file with the certificates that are trusted; null means those of the operating system.</summary>
    public string? RootCertificate { get; init; }

    /// <summary>Shown in pg_stat_activity; our own older connections are found by it.</summary>
    public string ApplicationName { get; init; } = "rosetta";

    /// <summary>
    /// Further parameters of the startup message: settings by name (<c>statement_timeout</c>), <c>options</c>, or <c>replication=database</c>,
    /// which makes the connection a walsender.
    /// </summary>
    public IReadOnlyDictionary<string, string> StartupParameters { get; init; } = NoParameters;

    /// <summary>True if <see cref="Host"/> names the directory of a Unix socket.</summary>
    public bool IsUnixSocket => Host.StartsWith('/');

    /// <summary>The path of the Unix socket; meaningful only if <see cref="IsUnixSocket"/>.</summary>
    public string UnixSocketPath => $"{Host.TrimEnd('/')}/.s.PGSQL.{Port}";

    /// <summary>The same endpoint with one more (or another value of a) startup parameter.</summary>
    public PgEndpoint With(string parameter, string value) =>
        this with { StartupParameters = new Dictionary<string, string>(StartupParameters) { [parameter] = value } };

    /// <summary>
    /// An Npgsql connection string for ordinary connections to the same place. Startup parameters become <c>options</c> (-c name=value),
    /// except <c>replication</c>, which has no meaning there.
    /// </summary>
    public string ToNpgsql()
    {
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = Host,
            Port = Port,
            Database = Database,
            Username = User,
            Password = Password,
            ApplicationName = ApplicationName,
            SslMode = IsUnixSocket ? Npgsql.SslMode.Disable : SslMode switch
            {
                PgSslMode.Disable => Npgsql.SslMode.Disable,
                PgSslMode.Allow => Npgsql.SslMode.Allow,
                PgSslMode.Prefer => Npgsql.SslMode.Prefer,
                PgSslMode.Require => RootCertificate is null ? Npgsql.SslMode.Require : Npgsql.SslMode.VerifyCA,
                PgSslMode.VerifyCa => Npgsql.SslMode.VerifyCA,
                _ => Npgsql.SslMode.VerifyFull,
            },
        };
        if (RootCertificate is not null && SslMode is PgSslMode.Require or PgSslMode.VerifyCa or PgSslMode.VerifyFull)
            builder.RootCertificate = RootCertificate;
        string options = Options();
        if (options.Length > 0)
            builder.Options = options;
        return builder.ConnectionString;
    }

    string Options()
    {
        var options = new StringBuilder();
        foreach ((string name, string value) in StartupParameters)
        {
            if (name == "replication")
                continue;
            if (options.Length > 0)
                options.Append(' ');
            if (name == "options")
                options.Append(value);
            else
                options.Append("-c ").Append(name).Append('=').Append(value.Replace("\\", "\\\\").Replace(" ", "\\ "));
        }

        return options.ToString();
    }

    /// <summary>Host, port, database and user, without the password.</summary>
    public override string ToString() => IsUnixSocket
        ? $"{User}@{UnixSocketPath}/{Database}"
        : $"{User}@{(Host.Contains(':') ? $"[{Host}]" : Host)}:{Port}/{Database}";
}
