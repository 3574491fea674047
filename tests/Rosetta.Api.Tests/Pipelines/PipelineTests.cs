using System.Text.Json.Nodes;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Requests;
using Rosetta.Store.Runtime;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Api.Tests.Pipelines;

[Collection(nameof(ApiCollection))]
public sealed class PipelineTests(ApiFixture fixture)
{
    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_add_start_pause_and_delete_a_pipeline()
    {
        var name = fixture.Name("p'\"; --");
        var source = await fixture.AddSourceAsync();
        var added = await Api.PostAsync("pipelines", new { name, source_id = source });
        Assert.Equal((201, "PAUSE", "STOPPED"), (added.Status, (string)added.Json["status"]!, (string)added.Json["runtime"]!["state"]!));
        Assert.True(added.Json["runtime"]!.AsObject().ContainsKey("last_error"));
        Assert.Null(added.Json["runtime"]!["node"]);
        var id = added.Id;

        Assert.Equal(409, (await Api.PostAsync($"pipelines/{id}/start")).Status);
        Assert.Equal(409, (await Api.PostAsync($"pipelines/{id}/resync")).Status);
        var destination = await fixture.AddDestinationAsync();
        var attached = await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = destination });
        Assert.Equal(201, attached.Status);
        Assert.Equal(("PAUSED", 0), ((string)attached.Json["destinations"]![0]!["health_status"]!, (int)attached.Json["destinations"]![0]!["dlq_count"]!));
        for (var i = 0; i < 2; i++)
        {
            var started = await Api.PostAsync($"pipelines/{id}/start");
            Assert.Equal((200, "START", "STARTING"), (started.Status, (string)started.Json["status"]!, (string)started.Json["runtime"]!["state"]!));
        }

        Assert.Equal(409, (await Api.DeleteAsync($"pipelines/{id}")).Status);
        // Which tables there are may be changed while it runs.
        Assert.Equal(200, (await Api.PutAsync($"pipelines/{id}/destinations/{destination}/tables", new { table_syncs = new[] { new { table_name = "a" } } })).Status);
        var second = await fixture.AddDestinationAsync();
        Assert.Equal(201, (await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = second, snapshot = "none" })).Status);
        Assert.Equal(204, (await Api.DeleteAsync($"pipelines/{id}/destinations/{second}")).Status);
        Assert.Equal(404, (await Api.DeleteAsync($"pipelines/{id}/destinations/{second}")).Status);
        var paused = await Api.PostAsync($"pipelines/{id}/pause");
        Assert.Equal((200, "PAUSE"), (paused.Status, (string)paused.Json["status"]!));
        Assert.Equal(200, (await Api.PutAsync($"pipelines/{id}", new { name = fixture.Name("renamed"), source_id = source })).Status);
        Assert.Equal(409, (await Api.PutAsync($"pipelines/{id}", new { source_id = await fixture.AddSourceAsync() })).Status);
        Assert.Equal(204, (await Api.DeleteAsync($"pipelines/{id}")).Status);
        Assert.Equal(404, (await Api.PostAsync($"pipelines/{id}/start")).Status);
    }

    [Fact]
    public async Task Should_refuse_unknown_ids_of_a_body_and_taken_names()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var name = (string)(await Api.GetAsync($"pipelines/{id}")).Json["name"]!;

        Assert.NotEmpty((await Api.PostAsync("pipelines", new { name = fixture.Name("x"), source_id = 4711 })).Error("source_id"));
        Assert.NotEmpty((await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = 4711 })).Error("destination_id"));
        Assert.NotEmpty((await Api.PostAsync($"pipelines/{id}/resync", new { destination_ids = new[] { 4711 } })).Error("destination_ids"));
        Assert.NotEmpty((await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = destination, snapshot = "some" })).Error("snapshot"));
        Assert.Equal(409, (await Api.PostAsync("pipelines", new { name, source_id = await fixture.AddSourceAsync() })).Status);
        Assert.Equal(409, (await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = destination })).Status);
        Assert.Equal(404, (await Api.GetAsync($"pipelines/{id}/destinations/4711/metadata")).Status);
        Assert.Equal(404, (await Api.GetAsync($"pipelines/{id}/destinations/4711/tables")).Status);
    }

    [Fact]
    public async Task Should_refuse_a_target_that_another_table_or_pipeline_has()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}/tables";
        object Tables(params (string Name, string? Target, bool Enabled)[] tables) =>
            new { table_syncs = tables.Select(t => new { table_name = t.Name, table_name_target = t.Target, enabled = t.Enabled }) };
        Assert.NotEmpty((await Api.PutAsync(path, Tables(("a", null, true), ("b", "public.a", true)))).Error("table_syncs[1].table_name_target"));
        Assert.Equal(200, (await Api.PutAsync(path, Tables(("a", null, true), ("b", "public.a", false), ("c", "other.a", true)))).Status);

        var second = (await Api.PostAsync("pipelines", new { name = fixture.Name("second"), source_id = await fixture.AddSourceAsync() })).Id;
        var attach = $"pipelines/{second}/destinations";
        object Attach(string name, string? target) => new { destination_id = destination, table_syncs = new[] { new { table_name = name, table_name_target = target } } };
        var refused = await Api.PostAsync(attach, Attach("sales.x", "\"other\".\"a\""));
        Assert.Equal(409, refused.Status);
        Assert.Contains("belongs to pipeline", (string)refused.Json["detail"]!, StringComparison.Ordinal);
        Assert.Equal(201, (await Api.PostAsync(attach, Attach("sales.x", null))).Status);
        Assert.Equal(409, (await Api.PutAsync($"{attach}/{destination}/tables", Tables(("x", "public.a", true)))).Status);
        // A table that is taken out is free again.
        Assert.Equal(200, (await Api.PutAsync(path, Tables(("c", "other.a", true)))).Status);
        Assert.Equal(200, (await Api.PutAsync($"{attach}/{destination}/tables", Tables(("x", "public.a", true)))).Status);
    }

    [Fact]
    public async Task Should_refuse_a_target_of_whichever_of_very_many_pipelines()
    {
        var (_, destination) = await fixture.AddPipelineAsync();
        var source = await fixture.AddSourceAsync();
        await fixture.Server.ExecuteAsync(
            $"""
            INSERT INTO pipelines (name, source_id) SELECT 'many ' || i, {source} FROM generate_series(1, 1100) i;
            INSERT INTO pipeline_destinations (pipeline_id, destination_id) SELECT id, {destination} FROM pipelines WHERE source_id = {source};
            INSERT INTO table_syncs (pipeline_id, destination_id, table_name) SELECT id, {destination}, 'public.' || name FROM pipelines WHERE source_id = {source};
            """,
            "config");
        try
        {
            var mine = (await Api.PostAsync("pipelines", new { name = fixture.Name("mine"), source_id = source })).Id;
            var refused = await Api.PostAsync(
                $"pipelines/{mine}/destinations", new { destination_id = destination, table_syncs = new[] { new { table_name = "public.many 1100" } } });
            Assert.Equal(409, refused.Status);
            Assert.Contains("'many 1100'", (string)refused.Json["detail"]!, StringComparison.Ordinal);
        }
        finally
        {
            // Other tests list pipelines by the page.
            await fixture.Server.ExecuteAsync($"DELETE FROM pipelines WHERE source_id = {source}", "config");
        }
    }

    [Fact]
    public async Task Should_keep_the_choice_of_tables_and_take_its_own_answer_back()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}/tables";
        Assert.Equal("""{"table_syncs":[]}""", (await Api.GetAsync(path)).Text);

        var put = await Api.PutAsync(path, new
        {
            table_syncs = new object[]
            {
                new { table_name = "orders", table_name_target = "sales.\"Orders; --\"" }, new { table_name = "\"a.b\".\"c\"\"d\"" },
                new { table_name = "sales.*", enabled = false },
            },
        });

        Assert.True(put.Status == 200, put.Text);
        Assert.Equal(["public.orders", "\"a.b\".\"c\"\"d\"", "sales.*"], put.Json["table_syncs"]!.AsArray().Select(t => (string)t!["table_name"]!));
        Assert.Equal(put.Text, (await Api.PutAsync(path, put.Text)).Text);
        var wrong = await Api.PutAsync(path, new
        {
            table_syncs = new object[]
            {
                new { table_name = "a.b.c" }, new { table_name = "x", filter_sql = " " }, new { table_name = "y", custom_sql = " " },
                new { table_name = "z", columns = Array.Empty<string>() }, new { table_name = "public.x" }, new { enabled = true },
            },
        });
        Assert.Contains("required", wrong.Error("table_syncs[5].table_name"), StringComparison.Ordinal);
        wrong = await Api.PutAsync(path, new JsonObject
        {
            ["table_syncs"] = new JsonArray(
                new JsonObject { ["table_name"] = "a.b.c" }, new JsonObject { ["table_name"] = "x", ["filter_sql"] = " " },
                new JsonObject { ["table_name"] = "y", ["custom_sql"] = " " }, new JsonObject { ["table_name"] = "z", ["columns"] = new JsonArray() },
                new JsonObject { ["table_name"] = "public.x" }),
        });
        foreach (var field in (string[])["table_syncs[0].table_name", "table_syncs[1].filter_sql", "table_syncs[2].custom_sql", "table_syncs[3].columns", "table_syncs"])
            Assert.True(wrong.Error(field).Length > 0, $"{field}: {wrong.Text}");
        Assert.Equal("""{"table_syncs":[],"resyncing":[],"warnings":[]}""", (await Api.PutAsync(path, new { })).Text);
        Assert.Equal("""{"table_syncs":[]}""", (await Api.GetAsync(path)).Text);
    }

    [Fact]
    public async Task Should_check_chosen_columns_against_the_sources_catalog()
    {
        await fixture.Server.CreateDatabaseAsync("columns");
        await fixture.Server.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY, a text, b text)", "columns");
        var (id, destination) = await fixture.AddPipelineAsync("columns");
        var path = $"pipelines/{id}/destinations/{destination}/tables";

        object Choice(params string[] columns) => new { table_syncs = new[] { new { table_name = "t", columns } } };

        Assert.Contains("'id'", (await Api.PutAsync(path, Choice("a"))).Error("table_syncs[0].columns"), StringComparison.Ordinal);
        Assert.Contains("'nope'", (await Api.PutAsync(path, Choice("id", "nope"))).Error("table_syncs[0].columns"), StringComparison.Ordinal);
        Assert.Equal(200, (await Api.PutAsync(path, Choice("id", "a"))).Status);
        Assert.Equal(200, (await Api.PutAsync(path, new { table_syncs = new[] { new { table_name = "not_there_yet", columns = new[] { "id" } } } })).Status);
    }

    [Fact]
    public async Task Should_show_what_the_pipelines_node_reported()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        await Api.PostAsync($"pipelines/{id}/start");
        await ReportAsync(id, destination);

        var shown = (await Api.GetAsync($"pipelines/{id}")).Json;

        Assert.Equal(("RUNNING", "node", "1/2", 7), (
            (string)shown["runtime"]!["state"]!, (string)shown["runtime"]!["node"]!, (string)shown["runtime"]!["received_lsn"]!, (int)shown["runtime"]!["wal_retained_bytes"]!));
        var metadata = (await Api.GetAsync($"pipelines/{id}/destinations/{destination}/metadata")).Json;
        Assert.Equal(shown["destinations"]![0]!.ToJsonString(), metadata.ToJsonString());
        Assert.Equal(("HEALTHY", "ATTACHED", "1/1", 3, 0.25), (
            (string)metadata["health_status"]!, (string)metadata["lane"]!, (string)metadata["applied_lsn"]!, (int)metadata["lag_bytes"]!, (double)metadata["lag_seconds"]!));
        Assert.Equal(("public.\"a/b.c\"", "ERROR", "why", "do this"), (
            (string)metadata["tables"]![0]!["table"]!, (string)metadata["tables"]![0]!["state"]!, (string)metadata["tables"]![0]!["error"]!,
            (string)metadata["tables"]![0]!["remedy"]!));
        var paused = await Api.PostAsync($"pipelines/{id}/pause");
        Assert.Equal("STOPPING", (string)paused.Json["runtime"]!["state"]!);
        Assert.Contains((await Api.GetAsync("pipelines?limit=1000")).Json["items"]!.AsArray(), p => (long)p!["id"]! == id && p["destinations"]![0]!["tables"]!.AsArray().Count == 1);
    }

    [Fact]
    public async Task Should_hand_requests_to_the_pipelines_node()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        Assert.Equal(200, (await Api.PostAsync($"pipelines/{id}/refresh")).Status);
        await Api.PostAsync($"pipelines/{id}/start");
        var epoch = await ReportAsync(id, destination);

        Assert.Equal(202, (await Api.PostAsync($"pipelines/{id}/resync", new { destination_ids = (long[]?)null })).Status);
        Assert.Equal(409, (await Api.PostAsync($"pipelines/{id}/resync")).Status);
        var table = await Api.PostAsync($"pipelines/{id}/destinations/{destination}/tables/{Uri.EscapeDataString("public.\"a/b.c\"")}/resync");
        Assert.Equal((202, "public.\"a/b.c\""), (table.Status, table.Status == 202 ? (string)table.Json["table"]! : table.Text));
        Assert.Equal(404, (await Api.PostAsync($"pipelines/{id}/destinations/{destination}/tables/public.nowhere/resync")).Status);
        var open = await Api.Store.Requests.OpenAsync(id, CancellationToken.None);
        Assert.Equal([PipelineRequestKind.Resync, PipelineRequestKind.ResyncTable], open.Select(r => r.Kind));
        Assert.Equal(("public.\"a/b.c\"", destination), (open[1].TableName!, open[1].DestinationIds!.Value[0]));

        var refresh = Api.PostAsync($"pipelines/{id}/refresh");
        await Wait.UntilAsync(async () => (await Api.Store.Requests.OpenAsync(id, CancellationToken.None)).Any(r => r.Kind == PipelineRequestKind.Refresh), "a refresh was asked for");
        var asked = (await Api.Store.Requests.OpenAsync(id, CancellationToken.None)).Single(r => r.Kind == PipelineRequestKind.Refresh);
        Assert.False(refresh.IsCompleted);
        await Api.Store.Requests.FinishAsync(asked, epoch, null, CancellationToken.None);
        Assert.Equal(200, (await refresh).Status);
    }

    [Fact]
    public async Task Should_stream_the_pipeline_as_it_changes()
    {
        var (id, _) = await fixture.AddPipelineAsync();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var stream = new StreamReader(await Api.Client.GetStreamAsync($"/api/v1/pipelines/{id}/events", deadline.Token));

        async Task<JsonNode> NextAsync()
        {
            Assert.Equal("event: pipeline", await stream.ReadLineAsync(deadline.Token));
            var data = (await stream.ReadLineAsync(deadline.Token))!;
            Assert.Equal("", await stream.ReadLineAsync(deadline.Token));
            return JsonNode.Parse(data["data: ".Length..])!;
        }

        Assert.Equal("PAUSE", (string)(await NextAsync())["status"]!);
        await Api.PostAsync($"pipelines/{id}/start");
        Assert.Equal("START", (string)(await NextAsync())["status"]!);
        Assert.Equal(404, (await Api.GetAsync("pipelines/4711/events")).Status);
    }

    [Fact]
    public async Task Should_drop_the_slot_of_a_deleted_pipeline()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var slot = $"rosetta_p{id}";
        await fixture.Server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", "app");
        var epoch = await ReportAsync(id, destination);
        await RecordSlotAsync(id, epoch, slot, (await fixture.Server.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()"))!);

        Assert.Equal(204, (await Api.DeleteAsync($"pipelines/{id}")).Status);

        Assert.Equal(0, await fixture.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}'"));
    }

    [Fact]
    public async Task Should_not_delete_a_pipeline_whose_slot_would_be_left_unless_forced()
    {
        var source = (await Api.PostAsync("sources", new { name = fixture.Name("away"), pg_host = "127.0.0.1", pg_port = 1, pg_database = "d", pg_username = "u" })).Id;
        var id = (await Api.PostAsync("pipelines", new { name = fixture.Name("p"), source_id = source })).Id;
        var destination = await fixture.AddDestinationAsync();
        await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = destination });
        var slot = $"rosetta_p{id}";
        await RecordSlotAsync(id, await ReportAsync(id, destination), slot, "1");

        var refused = await Api.DeleteAsync($"pipelines/{id}");
        Assert.Equal(503, refused.Status);
        Assert.Contains(slot, (string)refused.Json["detail"]!, StringComparison.Ordinal);
        Assert.Equal(503, (await Api.PostAsync($"pipelines/{id}/refresh")).Status);
        Assert.Equal(204, (await Api.DeleteAsync($"pipelines/{id}?force=true")).Status);

        var notification = (await Api.GetAsync("notifications")).Json["items"]!.AsArray().First(n => ((string)n!["message"]!).Contains(slot, StringComparison.Ordinal))!;
        var read = await Api.PostAsync($"notifications/{(long)notification["id"]!}/read");
        Assert.NotNull(read.Json["read_at"]);
    }

    async Task<long> ReportAsync(long id, long destination)
    {
        var epoch = (await Api.Store.Epochs.IssueAsync(id, "node", CancellationToken.None))!.Value;
        var table = new TableReport(new("public", "a/b.c"), new("public", "t"), TableState.Error, 1, 2, 3, 4, 5, "why", "do this");
        Assert.True(await Api.Store.Reports.SaveAsync(
            new PipelineReport(
                id, epoch, PipelineState.Running, "node", DateTimeOffset.UtcNow, 0, null, null, "slot", Lsn.Parse("1/2"), Lsn.Parse("1/1"), 7,
                [new DestinationReport(destination, DestinationHealth.Healthy, LaneState.Attached, 7, Lsn.Parse("1/1"), 3, 0.25, DateTimeOffset.UtcNow, null, null, [table])]),
            CancellationToken.None));
        return epoch;
    }

    async Task RecordSlotAsync(long id, long epoch, string slot, string system) => Assert.True(await Api.Store.SlotRecords.SaveAsync(
        epoch, new SlotRecord(id, slot, system, 1, Lsn.Parse("0/1"), "{}", "{}", null, []), CancellationToken.None));
}
