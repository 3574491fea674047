using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Monitoring;
using Rosetta.Store.Pipelines;
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
        Epochs = new EpochRepository(database);
        SlotRecords = new SlotRecordRepository(database);
        Reports = new PipelineReportRepository(database);
        Status = new PipelineStatusRepository(database);
        Requests = new PipelineRequestRepository(database);
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

    public EpochRepository Epochs { get; }

    public SlotRecordRepository SlotRecords { get; }

    public PipelineReportRepository Reports { get; }

    public PipelineStatusRepository Status { get; }

    public PipelineRequestRepository Requests { get; }

    public WalMetricRepository WalMetrics { get; }

    public SchemaHistoryRepository SchemaHistory { get; }

    public NotificationRepository Notifications { get; }

    public DataFlowRepository DataFlow { get; }
}
