using Dapper;
using Rosetta.Store.Configuration;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Destinations;
using Rosetta.Store.Jobs;
using Rosetta.Store.Monitoring;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Presets;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;

namespace Rosetta.Store;

/// <summary>The opened config database: migrated, its SECRET_KEY proved, with every repository. Made once per node by <see cref="ConfigStoreAccess"/>.</summary>
public sealed class ConfigStore
{
    public ConfigStore(ConfigDatabase database, Installation installation)
    {
        Database = database;
        Installation = installation;
        Sources = new SourceRepository(database, installation);
        Destinations = new DestinationRepository(database, installation);
        Pipelines = new PipelineRepository(database, installation);
        PipelineDestinations = new PipelineDestinationRepository(database, Pipelines);
        Presets = new PresetRepository(database);
        Epochs = new EpochRepository(database);
        SlotRecords = new SlotRecordRepository(database);
        Reports = new PipelineReportRepository(database);
        Status = new PipelineStatusRepository(database);
        Requests = new PipelineRequestRepository(database);
        Backfills = new BackfillJobRepository(database);
        Verifies = new VerifyRunRepository(database);
        Recoveries = new RecoveryOrderRepository(database);
        Audit = new DeadLetterAudit(database);
        WalMetrics = new WalMetricRepository(database);
        SchemaHistory = new SchemaHistoryRepository(database);
        Notifications = new NotificationRepository(database);
        DataFlow = new DataFlowRepository(database);
    }

    public ConfigDatabase Database { get; }

    public Installation Installation { get; }

    public SourceRepository Sources { get; }

    public DestinationRepository Destinations { get; }

    public PipelineRepository Pipelines { get; }

    public PipelineDestinationRepository PipelineDestinations { get; }

    public PresetRepository Presets { get; }

    public EpochRepository Epochs { get; }

    public SlotRecordRepository SlotRecords { get; }

    public PipelineReportRepository Reports { get; }

    public PipelineStatusRepository Status { get; }

    public PipelineRequestRepository Requests { get; }

    public BackfillJobRepository Backfills { get; }

    public VerifyRunRepository Verifies { get; }

    public RecoveryOrderRepository Recoveries { get; }

    public DeadLetterAudit Audit { get; }

    public WalMetricRepository WalMetrics { get; }

    public SchemaHistoryRepository SchemaHistory { get; }

    public NotificationRepository Notifications { get; }

    public DataFlowRepository DataFlow { get; }

    /// <summary>"rosetta" in ASCII, cut to 63 bits, and 2: held while the whole configuration is changed at once.</summary>
    const long WholeConfigurationKey = 0x726F736574746102;

    /// <summary>
    /// Runs several reads and writes as one transaction, through a store whose repositories all belong to it. Such transactions take turns, and
    /// nobody else changes what is configured meanwhile: every row is locked first, in the order in which single changes lock them.
    /// </summary>
    /// <param name="isKept">Whether what was written stays.</param>
    public Task<T> TransactAsync<T>(Func<ConfigStore, Task<T>> work, Func<T, bool> isKept, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        return Database.TransactAsync(
            async database =>
            {
                await database.WriteAsync(
                    connection => connection.ExecuteAsync(new CommandDefinition(
                        $"""
                        SELECT pg_advisory_xact_lock({WholeConfigurationKey});
                        SELECT FROM sources ORDER BY id FOR NO KEY UPDATE;
                        SELECT FROM destinations ORDER BY id FOR NO KEY UPDATE;
                        SELECT FROM pipelines ORDER BY id FOR NO KEY UPDATE;
                        """,
                        cancellationToken: cancellationToken)),
                    cancellationToken).ConfigureAwait(false);
                return await work(new ConfigStore(database, Installation)).ConfigureAwait(false);
            },
            isKept, cancellationToken);
    }
}
