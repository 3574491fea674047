using System.Diagnostics;
using System.Text;
using Rosetta.Api.Tests.Hosting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Api.Tests.Configuration;

[Collection(nameof(ApiCollection))]
public sealed class BadYamlTests(ApiFixture fixture, ITestOutputHelper output)
{
    const int Megabyte = 1024 * 1024;

    /// <summary>Far more than it takes on a machine that is busy with much else; a text that costs the square of its length takes longer.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    ApiHost Api => fixture.Api;

    Task<Answer> ApplyAsync(string yaml) => Api.SendAsync(HttpMethod.Post, "config/apply", Installation.Yaml(yaml));

    [Theory]
    [InlineData("version: 1\nsources:\n  - name: [", 400, "line 4")]
    [InlineData("version: 1\n\tsources: []\n", 400, "Line 2 is indented with a tab")]
    [InlineData("version: 1\nsources: [#]\n", 400, "line 3")]
    [InlineData("version: 1\nsources: [#]\npipelines: []\n", 400, "something is wrong right after this place")]
    [InlineData("version: 1\nsources: \"no end\n", 400, "line")]
    [InlineData("version: 1\n  sources: []\n", 400, "line 2")]
    [InlineData("%YAML 9.9\n--- a\n", 400, "line 1")]
    [InlineData("\0\0\0", 400, "line 1")]
    [InlineData("version: \"\\uD800\"\n", 400, "line 1")]
    [InlineData("", 422, "version: is required")]
    [InlineData("# nothing\n", 422, "version: is required")]
    [InlineData("just text\n", 422, "must be a JSON object")]
    [InlineData("- 1\n", 422, "must be a JSON object")]
    [InlineData("version: 2\n", 422, "version: must be 1")]
    [InlineData("version: \"1\"\n", 422, "version: must be a whole number (line 1)")]
    [InlineData("version: 1\nsauces: []\n", 422, "sauces: is not known here")]
    [InlineData("version: 1\nversion: 1\n", 422, "version: is there twice, first at line 1 (line 2)")]
    [InlineData("version: 1\nsources: {}\n", 422, "sources: must be a list (line 2)")]
    [InlineData("version: 1\nsources: [1]\n", 422, "sources[0]: must be a JSON object (line 2)")]
    [InlineData("version: 1\nsources: [~]\n", 422, "sources[0]: must not be null (line 2)")]
    [InlineData("version: 1\nprune: yes\n", 422, "prune: must be true or false (line 2)")]
    [InlineData("version: 1\nsources:\n  - name: 7\n    pg_host: h\n", 422, "sources[0].name: must be a string; write it in quotes (line 3)")]
    [InlineData("version: 1\nsources:\n  - name: a\n    pg_host: h\n    pg_prt: 1\n", 422, "sources[0].pg_prt: is not known here")]
    [InlineData("version: 1\nsources:\n  - name: a\n    pg_host: h\n    pg_port: many\n", 422, "sources[0].pg_port: must be a whole number (line 5)")]
    [InlineData("version: 1\nsources:\n  - name: a\n    pg_host: h\n", 422, "sources[0].pg_database: is required (line 3)")]
    [InlineData("version: 1\nsources:\n  - {name: a, pg_host: h, pg_database: d, pg_username: u, id: 1}\n", 422, "sources[0].id: is not known here (line 3)")]
    [InlineData("version: 1\nsources:\n  - {name: a, pg_host: h, pg_database: d, pg_username: u, pg_port: 70000}\n", 422, "sources[0].pg_port: must be a port")]
    [InlineData("version: 1\nsources:\n  - {name: a, pg_host: h, pg_database: d, pg_username: u}\n  - name: a\n", 422, "sources[1].name: 'a' is there twice, first at line 3 (line 4)")]
    [InlineData("version: 1\nsources:\n  - {name: a, pg_host: h, pg_database: d, pg_username: u, pg_password: 'env:NOT_THERE'}\n", 422, "sources[0].pg_password: 'env:NOT_THERE' was not resolved")]
    [InlineData("version: 1\ndestinations:\n  - {name: a, type: POSTGRES, config: {host: h, database: d, user: u, prt: 1}}\n", 422, "destinations[0].config.prt: is not known here")]
    [InlineData("version: 1\ndestinations:\n  - {name: a, type: ORACLE, config: {}}\n", 422, "destinations[0].type: must be POSTGRES")]
    [InlineData("version: 1\ndestinations:\n  - {name: a, type: POSTGRES, config: {host: h, database: d, user: u, password: 'file:/x'}}\n", 422, "destinations[0].config.password: 'file:/x' was not resolved")]
    [InlineData("version: 1\npresets:\n  - name: p\n    table_syncs:\n      - table_name: a.b.c\n", 422, "presets[0].table_syncs[0].table_name: must be schema.table")]
    [InlineData("version: 1\npresets:\n  - name: p\n    table_syncs: [{table_name: a, enabled: off}]\n", 422, "presets[0].table_syncs[0].enabled: must be true or false (line 4)")]
    [InlineData("version: 1\npresets: [{name: p}, {name: p}]\n", 422, "presets[1].name: 'p' is there twice")]
    [InlineData("version: 1\npipelines: [{name: p, source: nowhere}]\n", 422, "pipelines[0].source: there is no source 'nowhere'")]
    [InlineData("version: 1\npipelines: [{name: p}]\n", 422, "pipelines[0].source: is required for a new pipeline (line 2)")]
    [InlineData("version: 1\npipelines: [{name: p, status: RUN}]\n", 422, "pipelines[0].status: must be START or PAUSE")]
    [InlineData("version: 1\npipelines:\n  - name: p\n    destinations:\n      - {destination: d, snapshot: some}\n", 422, "pipelines[0].destinations[0].snapshot: must be initial or none (line 5)")]
    [InlineData("version: 1\npipelines:\n  - name: p\n    destinations:\n      - {destination: d}\n      - {destination: d}\n", 422, "pipelines[0].destinations[1].destination: 'd' is there twice, first at line 5 (line 6)")]
    [InlineData("version: 1\nsources: &a []\n", 422, "anchors (&name) are not supported")]
    [InlineData("version: 1\nsources: !!set {}\n", 422, "tags (")]
    [InlineData("version: 1\n? [a]\n: b\n", 422, "a key must be a plain name (line 2)")]
    [InlineData("version: 1\n---\nversion: 1\n", 422, "more than one document")]
    [InlineData("version: 1\nsources: *a\n", 422, "aliases (*name) are not supported")]
    public async Task Should_name_the_place_of_what_is_wrong(string yaml, int status, string told)
    {
        var answer = await ApplyAsync(yaml);

        Assert.Equal((status, "application/problem+json"), (answer.Status, answer.ContentType));
        var text = string.Join("\n", (answer.Json["errors"]?.AsObject() ?? []).SelectMany(e => e.Value!.AsArray().Select(m => $"{e.Key}: {m}")).Append((string)answer.Json["detail"]!));
        Assert.Contains(told, text, StringComparison.Ordinal);
    }

    public static TheoryData<string> Garbage() =>
        ["zeros", "random", "brackets", "braces", "dashes", "quotes", "question marks", "anchors", "bomb", "deep", "keys", "twice", "one line", "colons", "comments", "wrong items", "percent", "block"];

    [Theory]
    [MemberData(nameof(Garbage))]
    public async Task Should_refuse_a_megabyte_of_garbage_and_live(string kind)
    {
        var yaml = kind switch
        {
            "zeros" => new string('\0', Megabyte),
            "random" => Encoding.Latin1.GetString(Bytes(20261128)),
            "brackets" => new string('[', Megabyte),
            "braces" => Repeat("{a: "),
            "dashes" => Repeat("- "),
            "quotes" => Repeat("\" "),
            "question marks" => Repeat("? "),
            "anchors" => "version: 1\nsources: [" + Repeat("&a 1, ") + "]\n",
            "bomb" => "a: &a [x,x,x,x,x,x,x,x,x]\n" + string.Concat("bcdefghijklmnopq".Select(c => $"{c}: &{c} [{string.Join(',', Enumerable.Repeat($"*{(char)(c - 1)}", 9))}]\n")),
            "deep" => string.Concat(Enumerable.Range(0, 1400).Select(i => new string(' ', i) + "a:\n")),
            "keys" => string.Concat(Enumerable.Range(0, Megabyte / 12).Select(i => $"key{i:000000}: 1\n")),
            "twice" => Repeat("version: 1\n"),
            "one line" => "version: " + Repeat("word "),
            "colons" => Repeat(": "),
            "comments" => Repeat("#\n"),
            "wrong items" => "version: 1\nsources: [" + Repeat("1,") + "]\n",
            "percent" => Repeat("%a\n"),
            _ => "version: |\n" + Repeat("  text\n"),
        };
        var started = Stopwatch.GetTimestamp();

        var answer = await ApplyAsync(yaml);

        var took = Stopwatch.GetElapsedTime(started);
        output.WriteLine($"{kind}: {yaml.Length} characters, {answer.Status} after {took.TotalSeconds:0.0} s: {answer.Text[..Math.Min(answer.Text.Length, 300)]}");
        Assert.True(answer.Status is 400 or 422, answer.Text[..Math.Min(answer.Text.Length, 1000)]);
        Assert.True(answer.Text.Length < 100_000, $"{answer.Text.Length} characters");
        Assert.True(took < Patience, $"{took}");
        Assert.Equal(200, (await Api.GetAsync("config")).Status);
    }

    [Fact]
    public async Task Should_refuse_what_is_too_large_of_another_type_or_no_text()
    {
        Assert.Equal(413, (await ApplyAsync(new string(' ', (4 * Megabyte) + 1))).Status);
        Assert.Equal(415, (await Api.SendAsync(HttpMethod.Post, "config/apply", new StringContent("version: 1", Encoding.UTF8, "text/plain"))).Status);
        var latin = new ByteArrayContent([0xff, 0xfe, 0x80]);
        latin.Headers.ContentType = new("application/yaml");
        Assert.Equal(400, (await Api.SendAsync(HttpMethod.Post, "config/apply", latin)).Status);
        Assert.Equal(400, (await Api.PostAsync("config/apply", "{")).Status);
        Assert.NotEmpty((await Api.PostAsync("config/apply", new { })).Error("yaml"));
        Assert.NotEmpty((await Api.PostAsync("config/apply", new { yaml = "version: 1", secrets = new { a = 1 } })).Error("secrets.a"));
        Assert.NotEmpty((await Api.SendAsync(HttpMethod.Post, "config/diff?prune=maybe", Installation.Yaml("version: 1"))).Error("prune"));
    }

    [Fact]
    public async Task Should_answer_every_damaged_file_and_live()
    {
        var random = new Random(20261128);
        var file = (await Api.GetAsync("config")).Text;
        file = file[..Math.Min(file.Length, 2000)];
        const string Signs = "[]{}:,-?&*!|>'\"%@`#~\t\n \\\0\ud83dx1é";
        for (var i = 0; i < 200; i++)
        {
            var text = new StringBuilder(file);
            for (var n = random.Next(1, 6); n > 0; n--)
            {
                var at = random.Next(text.Length);
                _ = random.Next(3) switch
                {
                    0 => text.Remove(at, Math.Min(random.Next(1, 30), text.Length - at)),
                    1 => text.Insert(at, Signs[random.Next(Signs.Length)]),
                    _ => text.Insert(at, text.ToString(random.Next(text.Length / 2), random.Next(1, text.Length / 4))),
                };
            }

            var answer = await Api.SendAsync(HttpMethod.Post, "config/diff", Installation.Yaml(text.ToString()));
            Assert.True(answer.Status is 200 or 400 or 422, $"seed 20261128, text {i}: {answer.Status} {answer.Text}\n{text}");
        }
    }

    static string Repeat(string text) => new StringBuilder().Insert(0, text, (Megabyte / text.Length) - 40).ToString();

    static byte[] Bytes(int seed)
    {
        var bytes = new byte[Megabyte / 2];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
