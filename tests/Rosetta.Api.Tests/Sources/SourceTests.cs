using System.Net.Http.Headers;
using System.Text;
using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Sources;

[Collection(nameof(ApiCollection))]
public sealed class SourceTests(ApiFixture fixture)
{
    const string Odd = "o'b\"c; DROP TABLE sources; -- \\ größe 表 %s {0} $1 @x :y";

    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_add_show_change_list_and_delete()
    {
        var name = fixture.Name(Odd);
        var added = await Api.PostAsync("sources", fixture.Source(name));
        Assert.Equal(201, added.Status);
        Assert.Equal((name, "prefer", "rosetta", "rosetta"), (
            (string)added.Json["name"]!, (string)added.Json["pg_ssl_mode"]!, (string)added.Json["publication_name"]!, (string)added.Json["replication_name"]!));
        Assert.DoesNotContain("not shown", added.Text, StringComparison.Ordinal);
        Assert.EndsWith("Z", (string)added.Json["created_at"]!, StringComparison.Ordinal);

        var shown = await Api.GetAsync($"sources/{added.Id}");
        Assert.Equal(added.Text, shown.Text);
        var changed = await Api.PutAsync($"sources/{added.Id}", new { pg_port = 1, pg_ssl_mode = "Verify-Full" });
        Assert.Equal((200, 1, "verify-full", name), (
            changed.Status, (int)changed.Json["pg_port"]!, (string)changed.Json["pg_ssl_mode"]!, (string)changed.Json["name"]!));
        Assert.Equal("not shown", (await Api.Store.Sources.FindAsync(added.Id, CancellationToken.None))!.Password.Value);

        // An answer can be sent back as it is.
        Assert.Equal(200, (await Api.PutAsync($"sources/{added.Id}", changed.Text)).Status);
        var list = await Api.GetAsync("sources?limit=1000");
        Assert.Contains(list.Json["items"]!.AsArray(), s => (long)s!["id"]! == added.Id);
        Assert.True((long)list.Json["total"]! >= 1);
        Assert.Empty((await Api.GetAsync("sources?limit=1&offset=100000")).Json["items"]!.AsArray());
        Assert.Equal(204, (await Api.DeleteAsync($"sources/{added.Id}")).Status);
        Assert.Equal(404, (await Api.GetAsync($"sources/{added.Id}")).Status);
    }

    [Fact]
    public async Task Should_name_every_field_that_is_wrong()
    {
        var answer = await Api.PostAsync("sources", new { name = 5, pg_port = "5432", pg_database = (string?)null, bogus = true, pg_ssl_mode = "maybe" });

        Assert.Equal((422, "application/problem+json"), (answer.Status, answer.ContentType));
        Assert.Contains("string", answer.Error("name"), StringComparison.Ordinal);
        Assert.Contains("whole number", answer.Error("pg_port"), StringComparison.Ordinal);
        Assert.Contains("null", answer.Error("pg_database"), StringComparison.Ordinal);
        Assert.Contains("required", answer.Error("pg_host"), StringComparison.Ordinal);
        Assert.Contains("not known", answer.Error("bogus"), StringComparison.Ordinal);
        Assert.Equal(422, (int)answer.Json["status"]!);
        Assert.NotEmpty((string)answer.Json["title"]!);
        Assert.NotEmpty((string)answer.Json["type"]!);

        var rules = await Api.PostAsync("sources", new
        {
            name = " ", pg_host = "h", pg_port = 70000, pg_database = "d", pg_username = "u", pg_ssl_mode = "maybe", replication_name = "Not-A-Slot",
            publication_name = new string('ä', 21),
        });
        Assert.Equal(422, rules.Status);
        foreach (var field in (string[])["name", "pg_port", "pg_ssl_mode", "replication_name", "publication_name"]) Assert.NotEmpty(rules.Error(field));
    }

    [Theory]
    [InlineData("", 422)]
    [InlineData("{", 400)]
    [InlineData("not json", 400)]
    [InlineData("{\"name\": \"a\", \"name\": \"b\"}", 400)]
    [InlineData("[]", 422)]
    [InlineData("null", 422)]
    [InlineData("{\"name\": \"a\\u0000b\", \"pg_host\": \"h\", \"pg_database\": \"d\", \"pg_username\": \"u\"}", 422)]
    [InlineData("{\"name\": \"a\\ud800b\", \"pg_host\": \"h\", \"pg_database\": \"d\", \"pg_username\": \"u\"}", 422)]
    public async Task Should_tell_malformed_json_from_an_unacceptable_body(string body, int status)
    {
        var answer = await Api.PostAsync("sources", body);

        Assert.Equal((status, "application/problem+json"), (answer.Status, answer.ContentType));
    }

    [Fact]
    public async Task Should_take_garbage_up_to_a_megabyte_as_malformed_and_refuse_more()
    {
        var garbage = new string('x', 1024 * 1024);
        using var deep = new StringContent(new string('[', 500_000), Encoding.UTF8, "application/json");
        using var form = new StringContent("name=x", Encoding.UTF8, "application/x-www-form-urlencoded");
        using var latin = new ByteArrayContent([0x7b, 0x22, 0xe4, 0x22, 0x3a, 0x31, 0x7d]) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

        Assert.Equal(400, (await Api.PostAsync("sources", garbage)).Status);
        Assert.Equal(400, (await Api.PostAsync("sources", deep)).Status);
        Assert.Equal(400, (await Api.PostAsync("sources", latin)).Status);
        var larger = await Api.PostAsync("sources", garbage + "x");
        Assert.Equal((413, "application/problem+json"), (larger.Status, larger.ContentType));
        Assert.Equal(415, (await Api.PostAsync("sources", form)).Status);
        Assert.Equal(200, (await Api.GetAsync("sources")).Status);
    }

    [Theory]
    [InlineData("sources/4711")]
    [InlineData("sources/abc")]
    [InlineData("sources/99999999999999999999")]
    [InlineData("destinations/x%27%3B")]
    [InlineData("pipelines/1.5")]
    [InlineData("nothing/here")]
    public async Task Should_answer_404_with_a_problem_for_what_is_not_there(string path)
    {
        var answer = await Api.GetAsync(path);

        Assert.Equal((404, "application/problem+json"), (answer.Status, answer.ContentType));
        Assert.NotEmpty((string)answer.Json["detail"]!);
    }

    [Fact]
    public async Task Should_answer_other_methods_and_wrong_paging_with_problems()
    {
        var method = await Api.SendAsync(HttpMethod.Patch, "sources", null);
        Assert.Equal((405, "application/problem+json"), (method.Status, method.ContentType));
        foreach (var query in (string[])["limit=0", "limit=1001", "limit=x", "offset=-1", "limit=1&limit=2"])
            Assert.Equal(422, (await Api.GetAsync($"sources?{query}")).Status);
    }

    [Fact]
    public async Task Should_refuse_a_taken_name_and_to_delete_what_is_used()
    {
        var (pipeline, destination) = await fixture.AddPipelineAsync();
        var source = (long)(await Api.GetAsync($"pipelines/{pipeline}")).Json["source_id"]!;
        var name = (string)(await Api.GetAsync($"sources/{source}")).Json["name"]!;

        var taken = await Api.PostAsync("sources", fixture.Source(name));
        var used = await Api.DeleteAsync($"sources/{source}");

        Assert.Equal((409, 409), (taken.Status, used.Status));
        Assert.Contains("name", (string)taken.Json["detail"]!, StringComparison.Ordinal);
        Assert.Equal(409, (await Api.DeleteAsync($"destinations/{destination}")).Status);
        await Api.PostAsync($"pipelines/{pipeline}/start");
        Assert.Equal(409, (await Api.PutAsync($"sources/{source}", new { pg_host = "elsewhere" })).Status);
        Assert.Equal(409, (await Api.PutAsync($"destinations/{destination}", new { config = new { host = "elsewhere" } })).Status);
        Assert.Equal(200, (await Api.PutAsync($"sources/{source}", new { name = fixture.Name("renamed") })).Status);
    }

    [Fact]
    public async Task Should_test_connections_and_say_what_to_do()
    {
        var source = await fixture.AddSourceAsync();
        var good = await Api.PostAsync($"sources/{source}/test-connection");
        Assert.True((bool)good.Json["ok"]!, good.Text);
        Assert.StartsWith(fixture.Server.Version.ToString(), (string)good.Json["server_version"]!, StringComparison.Ordinal);

        var unknown = await Api.PostAsync("sources/test-connection", new { name = "x", pg_host = "no-such-host.invalid", pg_database = "d", pg_username = "u" });
        Assert.Equal(200, unknown.Status);
        Assert.False((bool)unknown.Json["ok"]!);
        Assert.NotEmpty((string)unknown.Json["error"]!);
        Assert.NotEmpty((string)unknown.Json["hint"]!);
        var missing = await Api.PostAsync("sources/test-connection", fixture.Source("x", "no such database"));
        Assert.False((bool)missing.Json["ok"]!);
        Assert.Equal(404, (await Api.PostAsync("sources/4711/test-connection")).Status);
    }

    [Fact]
    public async Task Should_list_tables_and_make_and_drop_the_publication()
    {
        await fixture.Server.CreateDatabaseAsync("catalog");
        await fixture.Server.ExecuteAsync(
            """
            CREATE TABLE "Odd ""one"".x" (id int PRIMARY KEY, "größe; --" text NOT NULL);
            CREATE TABLE keyless (a int);
            """,
            "catalog");
        var source = await fixture.AddSourceAsync("catalog");

        var tables = (await Api.GetAsync($"sources/{source}/tables")).Json;
        Assert.Equal(2, (int)tables["total"]!);
        var odd = tables["items"]!.AsArray().Single(t => (string)t!["table"]! != "keyless")!;
        Assert.Equal(("public", "Odd \"one\".x", "id", "größe; --", "text", false, false), (
            (string)odd["schema"]!, (string)odd["table"]!, (string)odd["primary_key"]![0]!, (string)odd["columns"]![1]!["name"]!,
            (string)odd["columns"]![1]!["type"]!, (bool)odd["columns"]![1]!["nullable"]!, (bool)odd["published"]!));

        var unknown = await Api.PostAsync($"sources/{source}/publication", new { tables = (string[])["public.nowhere"] });
        Assert.Equal(422, unknown.Status);
        Assert.NotEmpty(unknown.Error("tables"));
        Assert.Equal(422, (await Api.PostAsync($"sources/{source}/publication", new { })).Status);
        var made = await Api.PostAsync($"sources/{source}/publication", new { all_user_tables = true });
        Assert.True(made.Status == 201, made.Text);
        Assert.Equal("rosetta", (string)made.Json["publication"]!);
        Assert.Equal("public.\"Odd \"\"one\"\".x\"", (string)made.Json["tables"]![0]!);
        Assert.Equal("public.keyless", (string)made.Json["insert_only"]![0]!);
        Assert.Equal(409, (await Api.PostAsync($"sources/{source}/publication", new { all_user_tables = true })).Status);
        Assert.Equal(204, (await Api.DeleteAsync($"sources/{source}/publication")).Status);
        Assert.Equal(404, (await Api.DeleteAsync($"sources/{source}/publication")).Status);

        var away = (await Api.PostAsync("sources", new { name = fixture.Name("away"), pg_host = "127.0.0.1", pg_port = 1, pg_database = "d", pg_username = "u" })).Id;
        var preflight = await Api.GetAsync($"sources/{away}/preflight");
        Assert.Equal((200, false, "connection"), (preflight.Status, (bool)preflight.Json["ok"]!, (string)preflight.Json["findings"]![0]!["check"]!));
        var findings = (await Api.GetAsync($"sources/{source}/preflight")).Json["findings"]!.AsArray();
        Assert.Contains(findings, f => (string?)f!["table"] == "public.keyless" && ((string)f["fix_sql"]!).Contains("REPLICA IDENTITY", StringComparison.Ordinal));
        var answer = await Api.GetAsync($"sources/{away}/tables");
        Assert.Equal(503, answer.Status);
        Assert.NotNull(answer.RetryAfter);
    }
}
