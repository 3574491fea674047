using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Replication;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;
using Rosetta.Store;
using Rosetta.Store.Monitoring;
using Rosetta.Store.Sources;

namespace Rosetta.Actors.Monitoring;

/// <param name="Interval">Time between two looks at every source.</param>
public sealed record MonitorServices(ConfigStore Store, TimeSpan Interval, TimeProvider Time)
{
    /// <summary>How long WAL metrics are kept.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long the counts of rows by minute are kept.</summary>
    public TimeSpan FlowRetention { get; init; } = TimeSpan.FromDays(30);
}

/// <summary>
/// The cluster's one look at the sources: WAL size and what each slot keeps, recorded for the API, and slots that a source has let go of, which a paused
/// pipeline would not notice. Pipelines do not depend on it; a source that cannot be asked is tried again at the next interval.
/// </summary>
public sealed class SourceMonitorActor : ReceiveActor, IWithTimers
{
    const int PageSize = 1000;

    abstract record Own : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Look : Own
    {
        public static readonly Look Instance = new();
    }

    sealed record Looked(IReadOnlyList<(string Source, string Reason)> Failures) : Own;

    sealed record Away(Exception Error) : Own;

    readonly MonitorServices _services;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly HashSet<string> _silent = [];
    readonly HashSet<string> _lost = [];
    bool _looking;

    public SourceMonitorActor(MonitorServices services)
    {
        _services = services;
        Receive<Look>(_ => OnLook());
        Receive<Looked>(OnLooked);
        Receive<Away>(away =>
        {
            _looking = false;
            _log.Warning("WAL metrics could not be recorded: {Reason}", away.Error.Message);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("look", Look.Instance, TimeSpan.FromSeconds(2), _services.Interval);

    void OnLook()
    {
        if (_looking)
            return;
        _looking = true;
        LookAsync().PipeTo(Self, failure: e => new Away(e));
    }

    void OnLooked(Looked looked)
    {
        _looking = false;
        foreach (var (source, reason) in looked.Failures.Where(f => _silent.Add(f.Source)))
            _log.Warning("Source [{Source}] cannot be asked about its WAL: {Reason}", source, reason);
        _silent.RemoveWhere(s => looked.Failures.All(f => f.Source != s));
    }

    async Task<Looked> LookAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var failures = new List<(string, string)>();
        var sources = await _services.Store.Sources.ListAsync(PageSize, 0, limit.Token).ConfigureAwait(false);
        foreach (var source in sources.Items)
        {
            try
            {
                await RecordAsync(source, limit.Token).ConfigureAwait(false);
            }
            catch (Npgsql.NpgsqlException e)
            {
                failures.Add((source.Name, e.Message));
            }
        }

        await _services.Store.DataFlow.TrimAsync(_services.FlowRetention, limit.Token).ConfigureAwait(false);
        return new Looked(failures);
    }

    /// <summary>What has changed of the tables since the last look, whichever node it was; the first look only remembers.</summary>
    async Task RecordShapesAsync(SourceDefinition source, SourceDatabase database, CancellationToken cancellationToken)
    {
        var now = (await new SourceCatalog(database).ListAsync(null, cancellationToken).ConfigureAwait(false)).Select(t => TableShape.Of(t.Description)).ToList();
        var known = await _services.Store.SchemaHistory.ShapesAsync(source.Id, cancellationToken).ConfigureAwait(false);
        var before = known.Select(s => new TableShape(TableName.Parse(s.Table), s.Oid, s.Columns, s.Fingerprint)).ToList();
        var changes = known.Count == 0 ? [] : SchemaChanges.Between(before, now);
        if (known.Count > 0 && changes.Count == 0)
            return;
        await _services.Store.SchemaHistory.RememberAsync(
            source.Id, [.. now.Select(s => new KnownShape(s.Table.ToString(), s.Oid, s.Columns, s.Fingerprint))],
            [.. changes.Select(c => new NewSchemaChange(c.Shape.Table.ToString(), Words(c), c.Shape.Columns))], cancellationToken).ConfigureAwait(false);
    }

    static string Words(Postgres.Source.SchemaChange change) => change.RenamedFrom is { } old ? $"{change.Change}: from {old}" : change.Change;

    async Task RecordAsync(SourceDefinition source, CancellationToken cancellationToken)
    {
        var name = new SessionName(_services.Store.Installation.Uuid, 0, 0, "monitor").ToString();
        await using var database = new SourceDatabase(SourceLink.EndpointOf(source) with { ApplicationName = name });
        var wal = await new SourceMonitorQueries(database).WalAsync(cancellationToken).ConfigureAwait(false);
        // Without the right to see pg_wal, what the slots keep is the best known lower bound.
        var size = wal.WalSizeBytes ?? wal.Slots.Select(s => s.RetainedBytes).DefaultIfEmpty(0).Max();
        await RecordShapesAsync(source, database, cancellationToken).ConfigureAwait(false);
        await _services.Store.WalMetrics.AddAsync(
            source.Id, size, [.. wal.Slots.Select(s => new SlotMetric(s.Name, s.RetainedBytes, s.IsActive))], _services.Retention, cancellationToken)
            .ConfigureAwait(false);
        await TellOfLostSlotsAsync(source, wal.Slots, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Once for each slot that is lost.</summary>
    async Task TellOfLostSlotsAsync(SourceDefinition source, IReadOnlyList<SlotFacts> slots, CancellationToken cancellationToken)
    {
        var lost = slots.Where(s => s is { Plugin: not null, IsInvalidated: true }).ToDictionary(s => s.Name);
        _lost.RemoveWhere(l => l.StartsWith($"{source.Id}/", StringComparison.Ordinal) && !lost.ContainsKey(l[(l.IndexOf('/', StringComparison.Ordinal) + 1)..]));
        if (lost.Count == 0)
            return;
        foreach (var pipeline in await _services.Store.Pipelines.OfSourceAsync(source.Id, cancellationToken).ConfigureAwait(false))
        {
            if (!lost.TryGetValue(SourceNames.Slot(source.ReplicationName, pipeline.Id), out var slot) || _lost.Contains($"{source.Id}/{slot.Name}"))
                continue;
            var (reason, remedy) = GapDecision.Invalidated(slot);
            await _services.Store.Notifications.RaiseAsync(
                new NewNotification(
                    NotificationSeverity.Error, $"pipeline/{pipeline.Id}/slot-lost", reason,
                    remedy.Replace("{id}", pipeline.Id.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal), pipeline.Id),
                cancellationToken).ConfigureAwait(false);
            _lost.Add($"{source.Id}/{slot.Name}");
        }
    }
}
