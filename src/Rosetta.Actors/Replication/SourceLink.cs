using Rosetta.Actors.Pipelines;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Store.Runtime;
using Rosetta.Store.Sources;

namespace Rosetta.Actors.Replication;

/// <summary>
/// One incarnation's way to its source: endpoints named by epoch, the slot's record, and what lanes need. Lives as long as the pipeline
/// runs; <see cref="SetReady"/> opens it to the lanes each time the source has been taken over.
/// </summary>
public sealed class SourceLink : ILaneSource, IAsyncDisposable
{
    internal static readonly IReadOnlyDictionary<long, Lsn> NoPositions = new Dictionary<long, Lsn>();

    readonly PipelineRun _run;
    readonly PgEndpoint _endpoint;
    readonly Lock _gate = new();
    TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    volatile SlotRecord? _record;
    volatile PublicationFacts _publications = new(false, []);

    public SourceLink(PipelineRun run)
    {
        _run = run;
        var source = run.Definition.Source;
        Name = new SessionName(run.Services.Installation, run.Definition.Id, run.Epoch, "source");
        _endpoint = EndpointOf(source) with { ApplicationName = Name.ToString() };
        Slot = SourceNames.Slot(source.ReplicationName, run.Definition.Id);
        Database = new SourceDatabase(_endpoint);
        Catalog = new SourceCatalog(Database);
        Slots = new Slots(Database);
        SpareSender = new SpareSender(run.Services.Time);
        run.Ended.Register(static spare => _ = ((SpareSender)spare!).DisposeAsync().AsTask(), SpareSender);
    }

    /// <summary>The name of this incarnation's sessions at the source.</summary>
    public SessionName Name { get; }

    /// <summary>The pipeline's main slot.</summary>
    public string Slot { get; }

    public SourceDatabase Database { get; }

    public SourceCatalog Catalog { get; }

    public Slots Slots { get; }

    /// <summary>Left over from the making of the slot, for the snapshot that comes next.</summary>
    public SpareSender SpareSender { get; }

    public ISourceSchema Schema => Catalog;

    /// <summary>Named to every stream, main or a lane's own.</summary>
    public PublicationFacts Publications
    {
        get => _publications;
        set => _publications = value;
    }

    /// <summary>What the config database remembers of the slot; set by the take-over, kept in step by acknowledgements.</summary>
    public SlotRecord? Record
    {
        get => _record;
        set => _record = value;
    }

    public static PgEndpoint EndpointOf(SourceDefinition source) => new()
    {
        Host = source.Host,
        Port = source.Port,
        Database = source.Database,
        User = source.Username,
        Password = source.Password.Value,
        SslMode = PgSslModes.TryParse(source.SslMode, out var mode) ? mode : PgSslMode.Prefer,
    };

    public void SetReady()
    {
        lock (_gate)
            _ready.TrySetResult();
    }

    public void SetNotReady()
    {
        lock (_gate)
        {
            if (_ready.Task.IsCompleted)
                _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public Task WhenReady(CancellationToken cancellationToken)
    {
        lock (_gate)
            return _ready.Task.WaitAsync(cancellationToken);
    }

    /// <param name="purpose">A short word for the session's name.</param>
    public ValueTask<ReplicationConnection> OpenReplicationAsync(string purpose, CancellationToken cancellationToken) =>
        ReplicationConnection.OpenAsync(_endpoint with { ApplicationName = Name.For(purpose).ToString() }, null, cancellationToken);

    public ChangeStreamOptions StreamOf(string slot, Lsn start) => new()
    {
        Slot = slot,
        Publications = Publications.Names,
        Start = start,
        StatusInterval = TimeSpan.FromSeconds(1),
    };

    /// <summary>The session name and endpoint for a purpose, for what opens its own connections.</summary>
    public PgEndpoint EndpointFor(string purpose) => _endpoint with { ApplicationName = Name.For(purpose).ToString() };

    /// <inheritdoc/>
    public async Task<Lsn> ResumeAtAsync(long destinationId, Lsn position, CancellationToken cancellationToken)
    {
        var record = Record ?? throw new InvalidOperationException("The slot's record is not known yet.");
        var slot = await Slots.FindAsync(Slot, cancellationToken).ConfigureAwait(false);
        var source = await Slots.IdentifyAsync(record.Timeline, cancellationToken).ConfigureAwait(false);
        // Read again: an acknowledgement of ours may have been recorded meanwhile.
        record = Record ?? record;
        var decision = GapDecision.Decide(Recorded(record), slot, source, new Dictionary<long, Lsn> { [destinationId] = position });
        return decision.Action == SlotAction.Resume && decision.Gaps.IsEmpty
            ? Lsn.MaxOf(position, slot!.ConfirmedFlush!.Value)
            : throw new FaultException(new Fault(
                ErrorClass.Operator, decision.Reason ?? "The slot is not the recorded one.",
                $"POST /api/v1/pipelines/{_run.Definition.Id}/resync copies its tables again.", null, IsGap: true));
    }

    /// <summary>The record as the gap decision reads it: only what rests on the destinations' present generations counts.</summary>
    public RecordedSlot Recorded(SlotRecord record) => new(
        record.SlotName, _endpoint.Database, record.SystemIdentifier, record.Timeline, record.ConsistentPoint, record.AcknowledgedLsn,
        record.RestedOn.Where(r => GenerationOf(r.DestinationId) == r.Generation).ToDictionary(r => r.DestinationId, r => r.Position));

    /// <inheritdoc/>
    public async Task StreamCopyAsync(long destinationId, Lsn from, IChangeConsumer consumer, CancellationToken cancellationToken)
    {
        await using var connection = await OpenLaneConnectionAsync($"lane{destinationId}", cancellationToken).ConfigureAwait(false);
        var name = SourceNames.TemporarySlot(_run.Definition.Source.ReplicationName, _run.Definition.Id, _run.Epoch, $"l{destinationId}");
        try
        {
            await connection.CopySlotAsync(Slot, name, cancellationToken).ConfigureAwait(false);
        }
        catch (PgServerException e) when (e.SqlState == "53400")
        {
            throw new NoFreeSlotException(e);
        }

        Failpoint.Hit(FailpointNames.CatchUpSlotCopied);
        await using var stream = await connection.StartAsync(StreamOf(name, from), cancellationToken).ConfigureAwait(false);
        await stream.RunAsync(consumer, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<ITableSnapshot> ExportSnapshotAsync(
        long destinationId, int readers, Action<string?> waiting, TableName? held, CancellationToken cancellationToken) =>
        await PostgresTableSnapshot.ExportAsync(
            Database, SourceNames.TemporarySlot(_run.Definition.Source.ReplicationName, _run.Definition.Id, _run.Epoch, $"s{destinationId}"),
            readers, Publications, waiting, held, SpareSender, _run.Services.Time, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public Task<IReadOnlyList<TableExtra>> ReadExtrasAsync(TableName table, CancellationToken cancellationToken) =>
        new Postgres.Catalog.SourceCatalog(Database).ReadExtrasAsync(table, cancellationToken);

    /// <inheritdoc/>
    public async Task<IChunkSource> OpenChunksAsync(long destinationId, CancellationToken cancellationToken) =>
        await ChunkSource.OpenAsync(EndpointFor($"chunks{destinationId}"), Publications, cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// Records in the config database what is about to be acknowledged. False: it is away, so nothing may be acknowledged.
    /// </summary>
    /// <exception cref="FencedException">A newer epoch was issued.</exception>
    public async Task<bool> RecordAcknowledgementAsync(Lsn position, CancellationToken cancellationToken)
    {
        var rested = _run.RestedOn();
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(TimeSpan.FromSeconds(15));
            if (!await _run.Services.SlotRecords
                .RecordAcknowledgementAsync(_run.Definition.Id, _run.Epoch, position, rested, limit.Token).ConfigureAwait(false))
                throw new FencedException("the config database", _run.Epoch);
        }
        catch (Store.Configuration.ConfigDatabaseUnavailableException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        if (Record is { } record)
            Record = record with { AcknowledgedLsn = position, RestedOn = [.. rested] };
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await SpareSender.DisposeAsync().ConfigureAwait(false);
        await Database.DisposeAsync().ConfigureAwait(false);
    }

    Guid? GenerationOf(long destinationId) =>
        _run.Definition.Destinations.FirstOrDefault(d => d.Destination.Id == destinationId)?.Generation;

    async Task<ReplicationConnection> OpenLaneConnectionAsync(string purpose, CancellationToken cancellationToken)
    {
        try
        {
            return await OpenReplicationAsync(purpose, cancellationToken).ConfigureAwait(false);
        }
        catch (PgServerException e) when (e.SqlState == "53300")
        {
            // No walsender, or no connection at all, to spare.
            throw new NoFreeSlotException(e);
        }
    }
}
