using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.Positions;
using Rosetta.Store.Runtime;
using Xunit;

namespace Rosetta.Api.Tests.Configuration;

[Collection(nameof(ApiCollection))]
public sealed class ConfigChangeTests(ApiFixture fixture)
{
    string File(string status = "PAUSE", string port = "", string host = "127.0.0.1", string tables = "[{table_name: a}]", string more = "", string source = "shop") =>
        $"""
        version: 1
        sources:
          - {"{"}name: shop, pg_host: 127.0.0.1, pg_port: {(port.Length > 0 ? port : fixture.Server.Port)}, pg_database: app, pg_username: postgres{"}"}
        destinations:
          - name: warehouse
            type: POSTGRES
            config: {"{"}host: {host}, database: app, user: postgres, password: pw{"}"}
          - name: replica
            type: postgresql
            config: {"{"}host: 127.0.0.1, database: app, user: postgres{"}"}
        presets:
          - name: orders
            table_syncs: {tables}
        pipelines:
          - name: shop-to-all
            source: {source}
            status: {status}
            destinations:
              - destination: warehouse
                table_syncs: {tables}
        {more}
        """;

    [Fact]
    public async Task Should_show_every_kind_of_change_before_and_make_it()
    {
        await using var installation = await Installation.StartAsync(fixture);
        Assert.All(await installation.MustApplyAsync(File()), k => Assert.StartsWith("create ", k, StringComparison.Ordinal));
        var next = File(port: "5999", host: "elsewhere", tables: "[{table_name: b, enabled: false}]", more: "      - destination: replica\n        snapshot: none\n");
        var rows = await installation.RowsAsync();

        var diff = await installation.DiffAsync(next);

        Assert.Equal(rows, await installation.RowsAsync());
        Assert.Equal(200, diff.Status);
        Assert.False((bool)diff.Json["applied"]!);
        Assert.Equal(
            [
                "update source shop", "update destination warehouse", "none destination replica", "update preset orders", "none pipeline shop-to-all",
                "update pipeline_destination shop-to-all/warehouse", "create pipeline_destination shop-to-all/replica",
            ],
            Installation.Kinds(diff));
        Assert.Equal([$"pg_port: {fixture.Server.Port} -> 5999"], Installation.Fields(Installation.Change(diff, "source", "shop")));
        Assert.Equal(["config.host: \"127.0.0.1\" -> \"elsewhere\""], Installation.Fields(Installation.Change(diff, "destination", "warehouse")));
        const string Tables = """table_syncs: [{"table_name":"public.a"}] -> [{"table_name":"public.b","enabled":false}]""";
        Assert.Equal([Tables], Installation.Fields(Installation.Change(diff, "preset", "orders")));
        Assert.Equal([Tables], Installation.Fields(Installation.Change(diff, "pipeline_destination", "shop-to-all/warehouse")));
        Assert.Equal(["snapshot: null -> \"none\"", "table_syncs: null -> []"], Installation.Fields(Installation.Change(diff, "pipeline_destination", "shop-to-all/replica")));
        Assert.Equal(3, (long)Installation.Change(diff, "source", "shop")["line"]!);
        Assert.Equal(Installation.Kinds(diff), await installation.MustApplyAsync(next));
        var source = Assert.Single((await installation.Api.Store.Sources.ListAsync(10, 0, CancellationToken.None)).Items);
        Assert.Equal(5999, source.Port);

        // Absent fields stay.
        Assert.Equal(["none source shop"], await installation.MustApplyAsync("version: 1\nsources: [{name: shop}]\n"));
        Assert.Equal(
            ["none destination warehouse", "none pipeline shop-to-all"],
            await installation.MustApplyAsync("version: 1\ndestinations: [{name: warehouse}]\npipelines: [{name: shop-to-all}]\n"));
        var started = await installation.ApplyAsync("version: 1\npipelines: [{name: shop-to-all, status: START}]\n");
        Assert.Equal(["status: \"PAUSE\" -> \"START\""], Installation.Fields(Installation.Change(started, "pipeline", "shop-to-all")));
        Assert.Contains("status: START", await installation.ExportAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_refuse_as_a_whole_what_the_api_refuses_for_a_started_pipeline()
    {
        await using var installation = await Installation.StartAsync(fixture);
        await installation.MustApplyAsync(File("START"));
        var rows = await installation.RowsAsync();
        var next = File("START", port: "5999", host: "elsewhere", tables: "[]", more: "  - {name: new, source: shop}\n");

        var diff = await installation.DiffAsync(next);
        var apply = await installation.ApplyAsync(next);

        Assert.Equal(200, diff.Status);
        foreach (var (kind, name) in ((string, string)[])[("source", "shop"), ("destination", "warehouse")])
        {
            var change = Installation.Change(diff, kind, name);
            Assert.Contains("'shop-to-all' is started", (string)change["refused"]!, StringComparison.Ordinal);
            Assert.NotEmpty(Installation.Fields(change));
        }

        Assert.Null(Installation.Change(diff, "preset", "orders")["refused"]);
        // Which tables there are may change while it runs.
        Assert.Null(Installation.Change(diff, "pipeline_destination", "shop-to-all/warehouse")["refused"]);
        Assert.Equal(409, apply.Status);
        Assert.StartsWith("Nothing was applied: 2 changes are refused.", (string)apply.Json["detail"]!, StringComparison.Ordinal);
        Assert.Contains("(line 3)", apply.Error("sources[0]"), StringComparison.Ordinal);
        Assert.Equal(rows, await installation.RowsAsync());

        // The file that pauses it may change it.
        var paused = await installation.MustApplyAsync(next.Replace("START", "PAUSE", StringComparison.Ordinal));
        Assert.Equal("update pipeline shop-to-all", paused.Single(k => k.Contains(" pipeline shop", StringComparison.Ordinal)));
        // A start without a destination, another source, another beginning, another type.
        await installation.MustApplyAsync("version: 1\nsources: [{name: other, pg_host: h, pg_database: d, pg_username: u}]\n");
        foreach (var (file, told) in ((string, string)[])[
            ("pipelines: [{name: new, status: START}]", "has no destination"),
            ("pipelines: [{name: shop-to-all, source: other}]", "cannot be exchanged"),
            ("pipelines: [{name: shop-to-all, destinations: [{destination: warehouse, snapshot: none}]}]", "Detach it"),
            ("pipelines: [{name: fresh, source: other, status: START}]", "has no destination")])
        {
            var refused = await installation.ApplyAsync($"version: 1\n{file}\n");
            Assert.True(refused.Status == 409 && refused.Text.Contains(told, StringComparison.Ordinal), refused.Text);
        }
    }

    [Fact]
    public async Task Should_delete_what_the_file_does_not_have_only_when_asked_and_no_started_pipeline()
    {
        await using var installation = await Installation.StartAsync(fixture);
        await installation.MustApplyAsync(File("START", more: "      - destination: replica\n        table_syncs: [{table_name: x}]\n"));
        var rows = await installation.RowsAsync();
        const string Nothing = "version: 1\nsources: []\ndestinations: []\npresets: []\npipelines: []\n";

        Assert.Empty(await installation.MustApplyAsync(Nothing));
        Assert.Empty(await installation.MustApplyAsync("version: 1\nprune: true\n"));
        var diff = await installation.DiffAsync(Nothing, prune: true);
        Assert.Equal(
            ["delete pipeline shop-to-all", "delete destination replica", "delete destination warehouse", "delete source shop", "delete preset orders"],
            Installation.Kinds(diff));
        Assert.Contains("Pause it", (string)Installation.Change(diff, "pipeline", "shop-to-all")["refused"]!, StringComparison.Ordinal);
        Assert.Contains("still uses", (string)Installation.Change(diff, "source", "shop")["refused"]!, StringComparison.Ordinal);
        Assert.Equal(409, (await installation.ApplyAsync("prune: true\n" + Nothing)).Status);
        Assert.Equal(rows, await installation.RowsAsync());

        // A destination of a started pipeline, as long as another one is left.
        Assert.Contains("delete pipeline_destination shop-to-all/replica", await installation.MustApplyAsync(File("START"), prune: true));
        Assert.Equal(409, (await installation.ApplyAsync("version: 1\npipelines: [{name: shop-to-all, destinations: []}]\n", prune: true)).Status);
        await installation.MustApplyAsync("version: 1\npipelines: [{name: shop-to-all, status: PAUSE}]\n");
        Assert.Equal(Installation.Kinds(diff), await installation.MustApplyAsync("prune: true\n" + Nothing));
        Assert.Contains("sources: []\ndestinations: []\npresets: []\npipelines: []\n", await installation.ExportAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_drop_the_slot_of_a_deleted_pipeline_or_delete_nothing()
    {
        await using var installation = await Installation.StartAsync(fixture);
        await installation.MustApplyAsync(File());
        await installation.MustApplyAsync("version: 1\nsources: [{name: gone, pg_host: 127.0.0.1, pg_port: 1, pg_database: d, pg_username: u}]\npipelines: [{name: away, source: gone}]\n");
        var pipelines = (await installation.Api.Store.Pipelines.ListAsync(10, 0, CancellationToken.None)).Items;
        var slot = $"config_as_code_{pipelines[0].Id}";
        await fixture.Server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", "app");
        var system = (await fixture.Server.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()"))!;
        foreach (var pipeline in pipelines)
        {
            var epoch = (await installation.Api.Store.Epochs.IssueAsync(pipeline.Id, "node", CancellationToken.None))!.Value;
            Assert.True(await installation.Api.Store.SlotRecords.SaveAsync(
                epoch, new SlotRecord(pipeline.Id, pipeline.Name == "away" ? "slot_of_away" : slot, system, 1, Lsn.Parse("0/1"), "{}", "{}", null, []), CancellationToken.None));
        }

        async Task<long> SlotsAsync() => await fixture.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}'");
        const string Nothing = "version: 1\npipelines: []\n";
        var refused = await installation.ApplyAsync(Nothing, prune: true);
        Assert.Equal(409, refused.Status);
        Assert.Contains("slot_of_away", refused.Text, StringComparison.Ordinal);
        Assert.Equal((1, 2), (await SlotsAsync(), (await installation.Api.Store.Pipelines.ListAsync(10, 0, CancellationToken.None)).Items.Length));

        Assert.Equal(204, (await installation.Api.DeleteAsync($"pipelines/{pipelines.Single(p => p.Name == "away").Id}?force=true")).Status);
        Assert.Equal(["delete pipeline shop-to-all"], await installation.MustApplyAsync(Nothing, prune: true));
        Assert.Equal(0, await SlotsAsync());
    }

    [Fact]
    public async Task Should_hold_a_file_to_the_rules_of_tables_as_it_will_be_after_it()
    {
        await using var installation = await Installation.StartAsync(fixture);
        await fixture.Server.CreateDatabaseAsync("config_columns");
        await fixture.Server.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY, a text)", "config_columns");
        string Two(string first, string second, string database = "config_columns", int port = 0) =>
            $"""
            version: 1
            sources: [{"{"}name: s, pg_host: 127.0.0.1, pg_port: {(port == 0 ? fixture.Server.Port : port)}, pg_database: {database}, pg_username: postgres{"}"}]
            destinations: [{"{"}name: d, type: POSTGRES, config: {"{"}host: h, database: d, user: u{"}"}{"}"}]
            pipelines:
              - name: one
                source: s
                destinations: [{"{"}destination: d, table_syncs: {first}{"}"}]
              - name: two
                source: s
                destinations:
                  - {"{"}destination: d, table_syncs: {second}{"}"}
            """;

        var same = await installation.ApplyAsync(Two("[{table_name: x}]", "[{table_name: y, table_name_target: public.x}]"));
        Assert.Equal(409, same.Status);
        Assert.Contains("belongs to pipeline", same.Text, StringComparison.Ordinal);
        var twice = await installation.ApplyAsync(Two("[]", "[{table_name: x}, {table_name: y, table_name_target: public.x}]"));
        Assert.Equal((422, true), (twice.Status, twice.Error("pipelines[1].destinations[0].table_syncs[1].table_name_target").Contains("(line 11)", StringComparison.Ordinal)));
        var columns = await installation.ApplyAsync(Two("[]", "[{table_name: t, columns: [a, nope]}]"));
        Assert.Contains("'nope'", columns.Error("pipelines[1].destinations[0].table_syncs[0].columns"), StringComparison.Ordinal);
        var away = await installation.ApplyAsync(Two("[]", "[{table_name: t, columns: [id]}]", port: 1));
        Assert.Equal((503, true), (away.Status, away.RetryAfter is not null));
        Assert.Contains("pipelines: []\n", await installation.ExportAsync(), StringComparison.Ordinal);

        await installation.MustApplyAsync(Two("[{table_name: x}]", "[{table_name: t, columns: [id, a]}]"));
        // The two pipelines exchange their tables in one file.
        await installation.MustApplyAsync(Two("[{table_name: t, columns: [id]}]", "[{table_name: x}]"));
    }

    [Fact]
    public async Task Should_take_files_one_after_the_other()
    {
        await using var installation = await Installation.StartAsync(fixture);
        var files = Enumerable.Range(0, 8).Select(i => File(tables: i % 2 == 0 ? "[]" : "[{table_name: b}]")).ToList();

        var answers = await Task.WhenAll(files.Select(f => installation.ApplyAsync(f)));

        Assert.All(answers, a => Assert.True(a.Status == 200, a.Text));
        Assert.Equal(1, answers.Count(a => Installation.Kinds(a).Contains("create source shop")));
    }

    [Fact]
    public async Task Should_let_viewers_export_and_only_admins_compare_and_apply()
    {
        await fixture.Server.CreateDatabaseAsync("config_roles");
        await using var api = await ApiHost.StartAsync(fixture.Server.ConnectionString("config_roles"), "v:viewer:vvvvvvvvvvvvvvvv,o:operator:oooooooooooooooo,a:admin:aaaaaaaaaaaaaaaa");
        Assert.Equal(200, (await api.GetAsync("config", "vvvvvvvvvvvvvvvv")).Status);
        foreach (var path in (string[])["config/diff", "config/apply"])
        {
            foreach (var (key, status) in ((string, int)[])[("vvvvvvvvvvvvvvvv", 403), ("oooooooooooooooo", 403), ("aaaaaaaaaaaaaaaa", 200)])
                Assert.Equal(status, (await api.PostAsync(path, new { yaml = "version: 1" }, key)).Status);
        }
    }
}
