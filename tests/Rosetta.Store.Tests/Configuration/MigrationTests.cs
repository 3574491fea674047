using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Store.Configuration;
using Xunit;

namespace Rosetta.Store.Tests.Configuration;

[Collection(nameof(StoreCollection))]
public sealed class MigrationTests(StoreFixture fixture)
{
    [Fact]
    public async Task Should_make_the_tables_once_when_several_nodes_start_at_the_same_time()
    {
        var connectionString = await fixture.NewDatabaseAsync();

        var stores = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => StoreUnderTest.OpenAsync(connectionString))));

        Assert.Single(stores.Select(s => s.Installation.Uuid).Distinct());
        Assert.Equal(
            await stores[0].ScalarAsync<long>("SELECT count(DISTINCT scriptname) FROM schemaversions"),
            await stores[0].ScalarAsync<long>("SELECT count(*) FROM schemaversions"));
        Assert.Equal(
            19,
            await stores[0].ScalarAsync<long>(
                """
                SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('sources', 'destinations', 'pipelines', 'pipeline_destinations',
                    'table_syncs', 'pipeline_metadata', 'table_states', 'pipeline_runtime', 'slot_records', 'slot_rested_on', 'pipeline_epochs',
                    'pipeline_requests', 'wal_metrics', 'schema_history', 'notifications', 'cluster_nodes', 'data_flow_record_monitoring', 'installation', 'presets')
                """));
        foreach (var store in stores) await store.DisposeAsync();
    }

    [Fact]
    public async Task Should_refuse_tables_of_a_newer_version()
    {
        await using var store = await fixture.NewStoreAsync();
        await store.ExecuteAsync("INSERT INTO schemaversions (scriptname, applied) VALUES ('Rosetta.Store.Migrations.9999_later.sql', now())");

        var error = await Assert.ThrowsAsync<ConfigDatabaseSettingException>(
            () => new ConfigMigrator(store.Database, NullLogger<ConfigMigrator>.Instance).MigrateAsync(CancellationToken.None));

        Assert.Contains("9999_later.sql", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_name_the_account_that_may_not_create_tables()
    {
        var name = $"poor_{Guid.NewGuid():N}";
        await fixture.Server.CreateDatabaseAsync(name);
        await fixture.Server.ExecuteAsync($"CREATE ROLE {name} LOGIN");
        await using var database = new ConfigDatabase(fixture.Server.ConnectionString(name, user: name), NullLogger<ConfigDatabase>.Instance);

        var error = await Assert.ThrowsAsync<ConfigDatabaseSettingException>(
            () => new ConfigMigrator(database, NullLogger<ConfigMigrator>.Instance).MigrateAsync(CancellationToken.None));

        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains("CONFIG_DATABASE_URL", error.Message, StringComparison.Ordinal);
    }
}
