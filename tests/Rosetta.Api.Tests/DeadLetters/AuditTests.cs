using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;
using Xunit;

namespace Rosetta.Api.Tests.DeadLetters;

[Collection(nameof(ApiCollection))]
public sealed class AuditTests(ApiFixture fixture)
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_show_who_discarded_and_edited_what_with_the_rows_as_they_were()
    {
        var (id, destination) = await fixture.AddPipelineAsync(await CreateSourceAsync());
        var path = $"pipelines/{id}/destinations/{destination}/dlq/audit";
        Assert.Equal("""{"items":[],"next":null}""", (await Api.GetAsync(path)).Text);

        var (queue, epoch, letters) = await ParkAsync(id, destination, 1, 2, 3);
        var discard = await DiscardAsync(queue, epoch, LetterSamples.Table, letters[..2], letters[2].At);
        var pending = (await ItemsAsync(path)).ToDictionary(i => (string)i["entry"]!);
        Assert.Equal(["30-0", "20-2", "10-1"], pending.Keys);
        Assert.All(pending.Values, i => Assert.Equal(("PENDING", null), ((string)i["state"]!, i["done_at"])));
        await Api.Store.Audit.EndAsync(queue, epoch, discard, LetterSamples.Table, [.. letters[..2].Select(l => l.At)], [letters[2].At], default);

        // What was not done was taken back.
        var items = await ItemsAsync(path);
        Assert.Equal(["20-2", "10-1"], items.Select(i => (string)i["entry"]!));
        var first = items[1];
        Assert.Equal(
            ("DISCARD", "COMPLETED", "me", "test orders", $"{discard}", "public.letters", "UPDATE"),
            ((string)first["action"]!, (string)first["state"]!, (string)first["requested_by"]!, (string)first["reason"]!, (string)first["recovery_id"]!, (string)first["table"]!, (string)first["operation"]!));
        Assert.True(DateTimeOffset.Parse((string)first["done_at"]!, null) >= DateTimeOffset.Parse((string)first["recorded_at"]!, null), first.ToJsonString());
        // As the list of dead letters shows it.
        var listed = (await Api.GetAsync($"pipelines/{id}/destinations/{destination}/dlq/10-1")).Json["entry"]!;
        foreach (var field in (string[])["key", "old", "new", "unchanged", "as_bytes", "error", "sqlstate", "error_class", "note"])
            Assert.Equal(listed[field]?.ToJsonString(), first[field]?.ToJsonString());
        Assert.Contains("12.50", first["new"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Null(first["edited"]);

        await EditAsync(queue, epoch, letters[2]);
        var edit = (await ItemsAsync(path))[0];
        Assert.Equal(("EDIT", "30-0"), ((string)edit["action"]!, (string)edit["entry"]!));
        Assert.Equal(("12.50", "99.50"), ((string)edit["new"]!["amount"]!, (string)edit["edited"]!["amount"]!));
        Assert.Equal("""{"id":"7","amount":"99.50","at":"2026-01-02 03:04:05.000006+00","feels":"happy \"so\"","tags":"{a,\"b,c\",NULL}","code":"ab   ","fine":"t"}""", edit["edited"]!.ToJsonString(Plain));
    }

    [Fact]
    public async Task Should_say_why_rows_are_not_there()
    {
        var (id, destination) = await fixture.AddPipelineAsync(await CreateSourceAsync());
        var path = $"pipelines/{id}/destinations/{destination}/dlq/audit";
        var (queue, epoch, letters) = await ParkAsync(id, destination, 1);
        await DiscardAsync(queue, epoch, LetterSamples.Table, letters, new Position(new Lsn(0x20), 5), LetterSamples.Of(3, null).At);
        var damaged = LetterSamples.Of(4, null);
        await DiscardAsync(queue, epoch, LetterSamples.Table, [damaged]);
        await ExecuteAsync("config", $"UPDATE dead_letter_audit SET payload = NULL, edited_payload = NULL, key = NULL, error = NULL WHERE pipeline_id = {id} AND commit_lsn = '0/10'");

        var items = (await ItemsAsync(path)).ToDictionary(i => (string)i["entry"]!);
        Assert.Contains("version 9", (string)items["40-1"]["note"]!, StringComparison.Ordinal);
        Assert.Contains("not in the store", (string)items["20-5"]["note"]!, StringComparison.Ordinal);
        Assert.Null(items["20-5"]["operation"]);
        Assert.Contains("taken out of the audit", (string)items["10-1"]["note"]!, StringComparison.Ordinal);
        Assert.Equal(("UPDATE", "DATA", null, null, null), ((string)items["10-1"]["operation"]!, (string)items["10-1"]["error_class"]!, items["10-1"]["key"], items["10-1"]["error"], items["10-1"]["new"]));
    }

    [Fact]
    public async Task Should_go_page_by_page_and_show_one_destination_and_one_table_alone()
    {
        var (id, destination) = await fixture.AddPipelineAsync(await CreateSourceAsync());
        var other = await fixture.AddDestinationAsync();
        Assert.Equal(201, (await Api.PostAsync($"pipelines/{id}/destinations", new { destination_id = other })).Status);
        var path = $"pipelines/{id}/destinations/{destination}/dlq/audit";
        var (queue, epoch, letters) = await ParkAsync(id, destination, [.. Enumerable.Range(1, 120)]);
        await DiscardAsync(queue, epoch, LetterSamples.Table, letters);
        await DiscardAsync(queue, epoch, new TableName("public", "other"), [], new Position(new Lsn(0x9990), 1));
        // As an earlier generation left it.
        await DiscardAsync(queue with { Generation = Guid.NewGuid() }, epoch, new TableName("public", "other"), [], new Position(new Lsn(0x9980), 1));

        Assert.Empty(await ItemsAsync($"pipelines/{id}/destinations/{other}/dlq/audit"));
        Assert.Equal(["9980-1", "9990-1"], (await ItemsAsync($"{path}?table=public.other")).Select(i => (string)i["entry"]!));
        Assert.Empty(await ItemsAsync($"{path}?table=public.none"));
        var found = new List<string>();
        for (var query = "?table=letters&limit=55"; ;)
        {
            var page = (await Api.GetAsync(path + query)).Json;
            Assert.True(page["items"]!.AsArray().Count <= 55);
            found.AddRange(page["items"]!.AsArray().Select(i => (string)i!["entry"]!));
            if ((string?)page["next"] is not { } next) break;
            query = $"?table=letters&limit=55&after={next}";
        }

        Assert.Equal(letters.Select(l => l.Id).Reverse(), found);
        Assert.Equal(100, (await ItemsAsync(path)).Count);
    }

    [Fact]
    public async Task Should_refuse_what_is_not_there_or_makes_no_sense()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        Assert.Equal(404, (await Api.GetAsync($"pipelines/4711/destinations/{destination}/dlq/audit")).Status);
        Assert.Equal(404, (await Api.GetAsync($"pipelines/{id}/destinations/4711/dlq/audit")).Status);
        foreach (var (query, field) in ((string, string)[])[("table=a.b.c", "table"), ("limit=0", "limit"), ("limit=1001", "limit"), ("after=x", "after"), ("after=0", "after")])
            Assert.NotEmpty((await Api.GetAsync($"pipelines/{id}/destinations/{destination}/dlq/audit?{query}")).Error(field));
    }

    async Task<IReadOnlyList<JsonNode>> ItemsAsync(string path)
    {
        var answer = await Api.GetAsync(path);
        Assert.True(answer.Status == 200, answer.Text);
        return [.. answer.Json["items"]!.AsArray().Select(i => i!)];
    }

    async Task<string> CreateSourceAsync()
    {
        var database = $"audit_{Guid.NewGuid():N}";
        await fixture.Server.CreateDatabaseAsync(database);
        await ExecuteAsync(database, LetterSamples.Ddl);
        return database;
    }

    async Task<(DeadLetterQueue Queue, long Epoch, List<DeadLetter> Letters)> ParkAsync(long pipeline, long destination, params int[] numbers)
    {
        var definition = (await Api.Store.Pipelines.FindAsync(pipeline, default))!;
        var change = await LetterSamples.ReadAsync(fixture.Server.ConnectionString(definition.Source.Database));
        var queue = new DeadLetterQueue(definition.Source.Id, pipeline, destination, definition.Destinations.Single(d => d.Destination.Id == destination).Generation);
        var epoch = (await Api.Store.Epochs.IssueAsync(pipeline, "node", default))!.Value;
        await Api.Letters.OpenAsync(queue, epoch, default);
        var letters = numbers.Select(n => LetterSamples.Of(n, change, LetterSamples.Refused)).ToList();
        await Api.Letters.AppendAsync(queue, epoch, letters, default);
        return (queue, epoch, letters);
    }

    /// <summary>As the node that runs the pipeline begins it.</summary>
    /// <param name="lost">Places of which no payload is there.</param>
    async Task<long> DiscardAsync(DeadLetterQueue queue, long epoch, TableName table, IReadOnlyList<DeadLetter> letters, params Position[] lost)
    {
        var order = await OrderAsync(queue, new RecoveryRequest(RecoveryKind.Discard, table.ToString(), Reason: "test orders"));
        await Api.Store.Audit.BeginDiscardAsync(queue, epoch, order, table, [.. letters.Select(l => l.At), .. lost], letters, default);
        return order.Id;
    }

    async Task EditAsync(DeadLetterQueue queue, long epoch, DeadLetter letter)
    {
        await using var connection = new NpgsqlConnection(fixture.Server.ConnectionString("app"));
        await connection.OpenAsync();
        await using var value = new NpgsqlCommand("SELECT numeric_send(99.50)", connection);
        var edited = ParkedEdit.Apply(
            ParkedChange.Decode(letter.Payload),
            new Dictionary<string, EditedValue> { ["amount"] = new(Core.Changes.ValueKind.Binary, (byte[])(await value.ExecuteScalarAsync())!) }, ["id"], out var problem);
        Assert.Null(problem);
        var order = await OrderAsync(queue, new RecoveryRequest(RecoveryKind.Retry, Entry: letter.Id));
        await Api.Store.Audit.BeginEditAsync(queue, epoch, order, letter, edited!.Encode(), default);
    }

    async Task<RecoveryOrder> OrderAsync(DeadLetterQueue queue, RecoveryRequest request) =>
        (await Api.Store.Recoveries.AddAsync(queue.PipelineId, queue.DestinationId, request, "me", default)).Value!;

    async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(fixture.Server.ConnectionString(database));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
