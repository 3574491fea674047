using System.Globalization;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Replication;

/// <summary>
/// A connection to a walsender of one database (<c>replication=database</c>): it manages slots, runs plain SQL, and streams. Its settings
/// see to it that nothing of ours waits for somebody's synchronous standby, and that no time limit of the source's configuration cuts it
/// while it waits for a slot or holds a snapshot.
/// </summary>
public sealed class ReplicationConnection : IAsyncDisposable
{
    readonly PgConnection _connection;
    readonly ReadPacing _pacing;

    ReplicationConnection(PgConnection connection, ReadPacing pacing)
    {
        _connection = connection;
        _pacing = pacing;
    }

    /// <summary>Process id of the walsender.</summary>
    public int ProcessId => _connection.ProcessId;

    /// <summary>Major version of the source.</summary>
    public int ServerVersion => _connection.ServerVersion;

    public bool IsBroken => _connection.IsBroken;

    /// <summary>Connects. It needs the REPLICATION attribute and a free walsender.</summary>
    /// <exception cref="PgConnectionException">The source cannot be reached.</exception>
    /// <exception cref="PgServerException">The source refuses.</exception>
    public static async ValueTask<ReplicationConnection> OpenAsync(
        PgEndpoint endpoint, ReadPacing? pacing = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        pacing ??= ReadPacing.Default;
        PgEndpoint walsender = endpoint
            .With("replication", "database")
            .With("synchronous_commit", "local")
            .With("statement_timeout", "0")
            .With("lock_timeout", "0")
            .With("idle_in_transaction_session_timeout", "0");
        var options = new PgConnectOptions
        {
            LocalReceiveBufferBytes = pacing.IsEnabled ? pacing.LocalReceiveBufferBytes : null,
            ReadBufferBytes = 128 * 1024,
            ReadsOnOwnThread = true,
        };
        PgConnection connection = await PgConnection.OpenAsync(walsender, options, cancellationToken);
        return new ReplicationConnection(connection, pacing);
    }

    /// <summary>Which cluster this is.</summary>
    public async ValueTask<SystemIdentity> IdentifySystemAsync(CancellationToken cancellationToken = default)
    {
        PgResult result = await _connection.QueryAsync("IDENTIFY_SYSTEM", cancellationToken);
        return new SystemIdentity(result.RequiredText(0, 0), (int)result.Int64(0, 1), Lsn.Parse(result.RequiredText(0, 2)));
    }

    /// <summary>
    /// Makes a slot. It waits, without limit, for every transaction that was running when it began: <see cref="SlotCreationBlockers"/> tells
    /// which ones from another connection, and cancelling gives the wait up at the source too (this connection is of no use then).
    /// </summary>
    /// <exception cref="PgServerException">42710: the name is taken; 53400: no free slot; 42501: no privilege; 55000: wal_level is not logical.</exception>
    public async ValueTask<CreatedSlot> CreateSlotAsync(SlotRequest slot, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(slot);
        PgResult result = await _connection.QueryAsync(slot.ToCommand(ServerVersion), cancellationToken);
        return new CreatedSlot(result.RequiredText(0, 0), Lsn.Parse(result.RequiredText(0, 1)), result.Text(0, 2));
    }

    /// <summary>Drops a slot, waiting first for a walsender that still uses it if asked to.</summary>
    /// <exception cref="PgServerException">42704: there is none; 55006: it is in use.</exception>
    public async ValueTask DropSlotAsync(string name, bool wait = false, CancellationToken cancellationToken = default) =>
        await _connection.QueryAsync($"DROP_REPLICATION_SLOT {ReplicationText.Identifier(name)}{(wait ? " WAIT" : "")}", cancellationToken);

    /// <summary>
    /// Copies a slot, which may be in use, into a temporary one of this connection, at the same position.
    /// </summary>
    /// <returns>From where the copy delivers (its confirmed_flush_lsn).</returns>
    /// <exception cref="PgServerException">42704: there is no such slot; 53400: no free slot; 55000: it has lost its WAL.</exception>
    public async ValueTask<Lsn> CopySlotAsync(string source, string name, CancellationToken cancellationToken = default)
    {
        PgResult result = await _connection.QueryAsync(
            $"SELECT lsn FROM pg_catalog.pg_copy_logical_replication_slot({SqlIdentifier.Literal(source)}, {SqlIdentifier.Literal(name)}, true)",
            cancellationToken);
        return Lsn.Parse(result.RequiredText(0, 0));
    }

    /// <summary>Runs plain SQL; values come as text.</summary>
    /// <exception cref="PgServerException">A statement failed.</exception>
    public ValueTask<PgResult> QueryAsync(string sql, CancellationToken cancellationToken = default) => _connection.QueryAsync(sql, cancellationToken);

    /// <summary>Asks the source to cancel what this connection waits for.</summary>
    public Task CancelAsync(CancellationToken cancellationToken = default) => _connection.CancelAsync(cancellationToken);

    /// <summary>Starts the stream. The connection serves nothing else until it has ended.</summary>
    /// <exception cref="PgServerException">
    /// 55006: another walsender has the slot; 42704: there is no such slot; 55000: the slot has lost its WAL. A publication that does not exist
    /// is reported later, by the stream.
    /// </exception>
    public async ValueTask<ChangeStream> StartAsync(ChangeStreamOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        TimeSpan interval = options.StatusInterval ?? StatusIntervalFor(await WalSenderTimeoutAsync(cancellationToken));
        PgCopyBoth copy = await _connection.CopyBothAsync(options.ToCommand(), cancellationToken);
        return new ChangeStream(copy, options, _pacing, interval, _connection.Endpoint.ToString());
    }

    /// <summary>Well inside the timeout, so that a lost or late update does no harm; and often enough for the figures the source shows.</summary>
    internal static TimeSpan StatusIntervalFor(TimeSpan walSenderTimeout)
    {
        TimeSpan quarter = walSenderTimeout / 4;
        TimeSpan longest = TimeSpan.FromSeconds(10);
        return quarter <= TimeSpan.Zero || quarter > longest ? longest : quarter;
    }

    async ValueTask<TimeSpan> WalSenderTimeoutAsync(CancellationToken cancellationToken)
    {
        PgResult result = await _connection.QueryAsync(
            "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'", cancellationToken);
        return TimeSpan.FromMilliseconds(double.Parse(result.RequiredText(0, 0), CultureInfo.InvariantCulture));
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
