%% The works of `versus`, as plain Erlang: what each is, is defined in the README of this package, and is the same here.
%%
%%     erl +S 2:2 ... -run works main tell 2000000
%%
%% prints one line, `figure F` or `wrong WHY`. An actor is a process with a receive loop and an unbounded mailbox; where a
%% sender is held back, it looks every 64 messages how many were handled, and yields while more than 1,024 are not.
-module(works).
-behaviour(supervisor).
-export([main/1, init/1, start_fragile/1]).

-define(CAPACITY, 1024).
-define(STRIDE, 64).
-define(RING, 503).
-define(MEMBERS, 128).
-define(IN_FLIGHT, 4).
-define(ACCOUNTS, 1024).
-define(TELLERS, 64).
-define(FLOAT, 1000000).
-define(SAMPLE, 8).
-define(BEFORE, 1000).
-define(BATCH, 10000).
-define(PAGE, 4096).

main(["idle-memory", Actors, Limit]) ->
    say(fun() -> idle_memory(list_to_integer(Actors), list_to_integer(Limit)) end);
main([Work, Count]) ->
    say(fun() ->
            N = list_to_integer(Count),
            perform(Work, N div 10),
            [perform(Work, N)]
        end).

%% Runs a work in a process of its own, as a driver is a task elsewhere.
say(Work) ->
    {Driver, Monitor} = spawn_monitor(fun() -> exit({figures, Work()}) end),
    receive
        {'DOWN', Monitor, process, Driver, {figures, Figures}} ->
            io:format("figure~s~n", [[io_lib:format(" ~.6f", [float(F)]) || F <- Figures]]);
        {'DOWN', Monitor, process, Driver, {wrong, What, Expected, Found}} ->
            io:format("wrong ~s: expected ~w, found ~w~n", [What, Expected, Found]);
        {'DOWN', Monitor, process, Driver, Why} ->
            io:format("wrong ~0P~n", [Why, 20])
    end,
    halt(0).

perform("tell", N) -> fan_in(1, N);
perform("tell-single", N) -> fan_in(1, N);
perform("fanin8", N) -> fan_in(8, N);
perform("fanin64", N) -> fan_in(64, N);
perform("pairs", N) -> pairs(64, N);
perform("pingpong", N) -> 2 * ring(2, 1, 2 * N);
perform("ask", N) -> ask_one(N);
perform("ask64", N) -> ask_many(64, N);
perform("ring1", N) -> ring(?RING, 1, N);
perform("ring64", N) -> ring(?RING, 64, N);
perform("big", N) -> big(N);
perform("bank", N) -> bank(N);
perform("spawn", N) -> spawn_all(N);
perform("crash-restart", N) -> crash_restart(N).

%% ---- what the works share ----

check(_, Same, Same) -> ok;
check(What, Expected, Found) -> exit({wrong, What, Expected, Found}).

now_ns() -> erlang:monotonic_time(nanosecond).

rate(Count, Ns) -> Count * 1000 / Ns.

each(Count, Ns) -> Ns / Count.

sum_to(N) -> N * (N + 1) div 2.

median(Samples) ->
    Sorted = lists:sort(Samples),
    Middle = length(Sorted) div 2,
    case length(Sorted) rem 2 of
        1 -> lists:nth(Middle + 1, Sorted);
        0 -> (lists:nth(Middle, Sorted) + lists:nth(Middle + 1, Sorted)) / 2
    end.

call(To, Question) ->
    Ref = make_ref(),
    To ! {ask, self(), Ref, Question},
    receive {Ref, Answer} -> Answer end.

%% A task that hands back its result, or ends its driver with what was wrong.
task(Fun) ->
    Driver = self(),
    Ref = make_ref(),
    spawn_link(fun() -> Driver ! {Ref, Fun()} end),
    Ref.

join(Ref) -> receive {Ref, Result} -> Result end.

yield_while(Condition) ->
    case Condition() of
        true -> erlang:yield(), yield_while(Condition);
        false -> ok
    end.

%% The same numbers for every driver with the same seed: xorshift of 58 bits, which need no big integers.
dice(Seed) -> (Seed * 16#9E3779B97F4A7C15) band 16#3FFFFFFFFFFFFFF bor 1.

roll(Dice0, Limit) ->
    Dice1 = (Dice0 bxor (Dice0 bsl 13)) band 16#3FFFFFFFFFFFFFF,
    Dice2 = Dice1 bxor (Dice1 bsr 7),
    Dice = (Dice2 bxor (Dice2 bsl 17)) band 16#3FFFFFFFFFFFFFF,
    {(Dice bsr 16) rem Limit, Dice}.

%% ---- tell, tell-single, fanin8, fanin64, pairs ----

counter(Driver, Expected, Progress) -> counter(Driver, Expected, Progress, 0, 0).

counter(Driver, Expected, _, Expected, Sum) ->
    Driver ! {self(), Expected, Sum};
counter(Driver, Expected, Progress, Received0, Sum) ->
    receive
        {tell, Number} ->
            Received = Received0 + 1,
            case Received rem ?STRIDE of
                0 -> atomics:put(Progress, 1, Received);
                _ -> ok
            end,
            counter(Driver, Expected, Progress, Received, Sum + Number)
    end.

target(Expected) ->
    Driver = self(),
    Progress = atomics:new(1, []),
    {spawn_link(fun() -> counter(Driver, Expected, Progress) end), Progress}.

feed({Counter, Progress}, Messages, Senders) ->
    spawn_link(fun() -> feed(Counter, Progress, 1, Messages, Senders) end).

feed(_, _, Number, Messages, _) when Number > Messages -> ok;
feed(Counter, Progress, Number, Messages, Senders) ->
    Counter ! {tell, Number},
    case Number rem ?STRIDE of
        0 -> yield_while(fun() -> Number * Senders > atomics:get(Progress, 1) + ?CAPACITY end);
        _ -> ok
    end,
    feed(Counter, Progress, Number + 1, Messages, Senders).

verify({Counter, _}, Messages, Senders) ->
    receive
        {Counter, Received, Sum} ->
            check("messages", Messages * Senders, Received),
            check("the sum of the messages", sum_to(Messages) * Senders, Sum)
    end.

fan_in(Senders, Count) ->
    Messages = Count div Senders,
    Target = target(Messages * Senders),
    Start = now_ns(),
    [feed(Target, Messages, Senders) || _ <- lists:seq(1, Senders)],
    verify(Target, Messages, Senders),
    rate(Messages * Senders, now_ns() - Start).

pairs(Pairs, Count) ->
    Messages = Count div Pairs,
    Targets = [target(Messages) || _ <- lists:seq(1, Pairs)],
    Start = now_ns(),
    [feed(Target, Messages, 1) || Target <- Targets],
    [verify(Target, Messages, 1) || Target <- Targets],
    rate(Messages * Pairs, now_ns() - Start).

%% ---- pingpong, ring1, ring64 ----

member(Driver, Next, Handled) ->
    receive
        {tell, 0} -> Driver ! arrived, member(Driver, Next, Handled + 1);
        {tell, Left} -> Next ! {tell, Left - 1}, member(Driver, Next, Handled + 1);
        {ask, From, Ref, {join, Other}} -> From ! {Ref, ok}, member(Driver, Other, Handled);
        {ask, From, Ref, handled} -> From ! {Ref, Handled}, member(Driver, Next, Handled);
        {ask, From, Ref, stop} -> From ! {Ref, ok}
    end.

ring(Members, Tokens, Hops) ->
    Driver = self(),
    Ring = [spawn_link(fun() -> member(Driver, none, 0) end) || _ <- lists:seq(1, Members)],
    [call(Member, {join, Next}) || {Member, Next} <- lists:zip(Ring, tl(Ring) ++ [hd(Ring)])],
    PerToken = Hops div Tokens,
    Places = list_to_tuple(Ring),
    Start = now_ns(),
    [element(Token * Members div Tokens + 1, Places) ! {tell, PerToken - 1} || Token <- lists:seq(0, Tokens - 1)],
    [receive arrived -> ok end || _ <- lists:seq(1, Tokens)],
    Elapsed = now_ns() - Start,
    Handled = lists:sum([call(Member, handled) || Member <- Ring]),
    [call(Member, stop) || Member <- Ring],
    check("hops", PerToken * Tokens, Handled),
    each(Handled, Elapsed).

%% ---- ask, ask64 ----

clerk(Asked0, Sum0) ->
    receive
        {ask, From, Ref, stop} -> From ! {Ref, {Asked0, Sum0}};
        {ask, From, Ref, Number} ->
            Asked = Asked0 + 1,
            Sum = Sum0 + Number,
            From ! {Ref, {Asked, Sum}},
            clerk(Asked, Sum)
    end.

ask_one(Count) ->
    Clerk = spawn_link(fun() -> clerk(0, 0) end),
    Samples = join(task(fun() -> samples(Clerk, Count div ?SAMPLE, 0, []) end)),
    check("asks", {Count div ?SAMPLE * ?SAMPLE, Count div ?SAMPLE * ?SAMPLE}, call(Clerk, stop)),
    median(Samples).

samples(_, 0, _, Samples) -> Samples;
samples(Clerk, Left, Asked, Samples) ->
    Start = now_ns(),
    asks(Clerk, Asked, Asked + ?SAMPLE),
    samples(Clerk, Left - 1, Asked + ?SAMPLE, [each(?SAMPLE, now_ns() - Start) | Samples]).

asks(_, Enough, Enough) -> ok;
asks(Clerk, Asked0, Enough) ->
    Asked = Asked0 + 1,
    {Found, _} = call(Clerk, 1),
    check("asks", Asked, Found),
    asks(Clerk, Asked, Enough).

ask_many(Askers, Count) ->
    Clerk = spawn_link(fun() -> clerk(0, 0) end),
    Share = Count div Askers,
    Start = now_ns(),
    Tasks = [task(fun() -> ask_share(Clerk, Asker, Share, 0) end) || Asker <- lists:seq(0, Askers - 1)],
    [join(Task) || Task <- Tasks],
    Elapsed = now_ns() - Start,
    {Asked, Sum} = call(Clerk, stop),
    check("asks", Share * Askers, Asked),
    check("the sum of the questions", Share * (Askers * (Askers - 1) div 2), Sum),
    rate(Share * Askers, Elapsed).

ask_share(_, _, 0, _) -> ok;
ask_share(Clerk, Asker, Left, Before) ->
    {Now, _} = call(Clerk, Asker),
    check("an answer after an older one", true, Now > Before),
    ask_share(Clerk, Asker, Left - 1, Now).

%% ---- big ----

-record(member, {driver, me, everybody = {}, dice, left, awaited, pings = 0, pongs = 0}).

ping(#member{left = 0} = Member) -> Member;
ping(#member{everybody = Everybody, dice = Dice0, left = Left, me = Me} = Member) ->
    {Place, Dice} = roll(Dice0, tuple_size(Everybody)),
    element(Place + 1, Everybody) ! {ping, Me},
    Member#member{left = Left - 1, dice = Dice}.

player(#member{everybody = Everybody, pings = Pings, pongs = Pongs, awaited = Awaited} = Member) ->
    receive
        start ->
            player(lists:foldl(fun(_, M) -> ping(M) end, Member, lists:seq(1, ?IN_FLIGHT)));
        {ping, From} ->
            element(From, Everybody) ! pong,
            player(Member#member{pings = Pings + 1});
        pong ->
            Played = ping(Member#member{pongs = Pongs + 1, awaited = Awaited - 1}),
            case Played#member.awaited of
                0 -> Played#member.driver ! arrived;
                _ -> ok
            end,
            player(Played);
        {ask, From, Ref, {meet, All}} -> From ! {Ref, ok}, player(Member#member{everybody = All});
        {ask, From, Ref, stop} -> From ! {Ref, {Pings, Pongs}}
    end.

big(Messages) ->
    Quota = Messages div 2 div ?MEMBERS,
    Driver = self(),
    New = fun(N) -> #member{driver = Driver, me = N, dice = dice(N), left = Quota, awaited = Quota} end,
    Members = [spawn_link(fun() -> player(New(N)) end) || N <- lists:seq(1, ?MEMBERS)],
    [call(Member, {meet, list_to_tuple(Members)}) || Member <- Members],
    Start = now_ns(),
    [Member ! start || Member <- Members],
    [receive arrived -> ok end || _ <- Members],
    Elapsed = now_ns() - Start,
    Played = [call(Member, stop) || Member <- Members],
    check("pings", Quota * ?MEMBERS, lists:sum([Pings || {Pings, _} <- Played])),
    check("pongs", Quota * ?MEMBERS, lists:sum([Pongs || {_, Pongs} <- Played])),
    rate(2 * Quota * ?MEMBERS, Elapsed).

%% ---- bank ----

account(Cents, Moves) ->
    receive
        {ask, From, Ref, {withdraw, Wanted}} ->
            Taken = min(Wanted, Cents),
            From ! {Ref, Taken},
            account(Cents - Taken, Moves + 1);
        {ask, From, Ref, {deposit, More}} -> From ! {Ref, More}, account(Cents + More, Moves + 1);
        {ask, From, Ref, stop} -> From ! {Ref, {Cents, Moves}}
    end.

bank(Transfers) ->
    Accounts = [spawn_link(fun() -> account(?FLOAT, 0) end) || _ <- lists:seq(1, ?ACCOUNTS)],
    Places = list_to_tuple(Accounts),
    Share = Transfers div ?TELLERS,
    Start = now_ns(),
    Tellers = [task(fun() -> teller(Places, dice(Teller), Share) end) || Teller <- lists:seq(1, ?TELLERS)],
    [join(Teller) || Teller <- Tellers],
    Elapsed = now_ns() - Start,
    Ends = [call(Account, stop) || Account <- Accounts],
    check("cents", ?ACCOUNTS * ?FLOAT, lists:sum([Cents || {Cents, _} <- Ends])),
    check("withdrawals and deposits", 2 * Share * ?TELLERS, lists:sum([Moves || {_, Moves} <- Ends])),
    rate(Share * ?TELLERS, Elapsed).

teller(_, _, 0) -> ok;
teller(Places, Dice0, Left) ->
    {From, Dice1} = roll(Dice0, ?ACCOUNTS),
    {Step, Dice2} = roll(Dice1, ?ACCOUNTS - 1),
    {Wanted, Dice} = roll(Dice2, 100),
    To = (From + 1 + Step) rem ?ACCOUNTS,
    Cents = call(element(From + 1, Places), {withdraw, 1 + Wanted}),
    call(element(To + 1, Places), {deposit, Cents}),
    teller(Places, Dice, Left - 1).

%% ---- spawn ----

-define(STARTED, 1).
-define(SUM, 2).
-define(GONE, 3).

mayfly(Ledger) ->
    atomics:add(Ledger, ?STARTED, 1),
    receive {tell, Number} -> atomics:add(Ledger, ?SUM, Number) end,
    atomics:add(Ledger, ?GONE, 1).

spawn_all(Count) ->
    Ledger = atomics:new(3, []),
    Start = now_ns(),
    spawn_each(Ledger, 1, Count),
    yield_while(fun() -> atomics:get(Ledger, ?GONE) < Count end),
    Elapsed = now_ns() - Start,
    check("actors that started", Count, atomics:get(Ledger, ?STARTED)),
    check("actors that have gone", Count, atomics:get(Ledger, ?GONE)),
    check("the sum of first messages", sum_to(Count), atomics:get(Ledger, ?SUM)),
    each(Count, Elapsed).

spawn_each(_, Number, Count) when Number > Count -> ok;
spawn_each(Ledger, Number, Count) ->
    spawn(fun() -> mayfly(Ledger) end) ! {tell, Number},
    case Number rem ?STRIDE of
        0 -> erlang:yield();
        _ -> ok
    end,
    yield_while(fun() -> Number - atomics:get(Ledger, ?GONE) > ?CAPACITY end),
    spawn_each(Ledger, Number + 1, Count).

%% ---- idle-memory ----

sleeper(Ledger) ->
    atomics:add(Ledger, ?STARTED, 1),
    receive tell -> atomics:add(Ledger, ?SUM, 1) end,
    atomics:add(Ledger, ?GONE, 1).

%% The system lists its processes itself: no list of the driver's is in the figure.
idle_memory(Wanted, Limit) ->
    Others = ordsets:from_list(processes()),
    Ledger = atomics:new(3, []),
    grow(Ledger, ?BEFORE, ?BEFORE),
    erlang:garbage_collect(),
    Before = resident(),
    Spawned = grow_until(Ledger, ?BEFORE, Wanted + ?BEFORE, Before, Limit),
    receive after 50 -> ok end,
    Taken = resident() - Before,
    [Actor ! tell || Actor <- processes(), not ordsets:is_element(Actor, Others)],
    yield_while(fun() -> atomics:get(Ledger, ?GONE) < Spawned end),
    check("actors that started", Spawned, atomics:get(Ledger, ?STARTED)),
    check("actors that were told", Spawned, atomics:get(Ledger, ?SUM)),
    [Spawned - ?BEFORE, Taken / (Spawned - ?BEFORE)].

grow_until(Ledger, Spawned, Wanted, Before, Limit) ->
    case Spawned < Wanted andalso resident() - Before < Limit of
        true ->
            Batch = min(?BATCH, Wanted - Spawned),
            grow(Ledger, Batch, Spawned + Batch),
            grow_until(Ledger, Spawned + Batch, Wanted, Before, Limit);
        false -> Spawned
    end.

grow(Ledger, More, Until) ->
    spawn_sleepers(Ledger, More),
    yield_while(fun() -> atomics:get(Ledger, ?STARTED) < Until end).

spawn_sleepers(_, 0) -> ok;
spawn_sleepers(Ledger, Left) ->
    spawn(fun() -> sleeper(Ledger) end),
    spawn_sleepers(Ledger, Left - 1).

resident() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Statm, <<" ">>, [global]),
    binary_to_integer(Pages) * ?PAGE.

%% ---- crash-restart ----

init(Made) ->
    Child = #{id => fragile, start => {?MODULE, start_fragile, [Made]}, restart => permanent},
    {ok, {#{strategy => one_for_one, intensity => 1000000000, period => 1}, [Child]}}.

start_fragile(Made) ->
    Incarnation = atomics:add_get(Made, 1, 1),
    Fragile = spawn_link(fun() -> fragile(Incarnation) end),
    register(fragile, Fragile),
    {ok, Fragile}.

fragile(Incarnation) ->
    receive
        fatal -> error(crash_on_demand);
        {ask, From, Ref, incarnation} -> From ! {Ref, Incarnation}, fragile(Incarnation)
    end.

crash_restart(Crashes) ->
    %% Nobody prints the crashes elsewhere either.
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    Made = atomics:new(1, []),
    {ok, Top} = supervisor:start_link(?MODULE, Made),
    Samples = crashes(1, Crashes, []),
    check("incarnations made", Crashes + 1, atomics:get(Made, 1)),
    exit(Top, shutdown),
    receive {'EXIT', Top, _} -> ok end,
    median(Samples).

crashes(Crash, Crashes, Samples) when Crash > Crashes -> Samples;
crashes(Crash, Crashes, Samples) ->
    Start = now_ns(),
    fragile ! fatal,
    Incarnation = ask_again(),
    Elapsed = now_ns() - Start,
    check("incarnation", Crash + 1, Incarnation),
    crashes(Crash + 1, Crashes, [Elapsed | Samples]).

%% Asks under the name until somebody answers, as one does who knows the name alone.
ask_again() ->
    Monitor = monitor(process, fragile),
    try fragile ! {ask, self(), Monitor, incarnation} of _ -> ok
    catch error:badarg -> ok
    end,
    receive
        {Monitor, Incarnation} -> demonitor(Monitor, [flush]), Incarnation;
        {'DOWN', Monitor, process, _, _} -> erlang:yield(), ask_again()
    end.
